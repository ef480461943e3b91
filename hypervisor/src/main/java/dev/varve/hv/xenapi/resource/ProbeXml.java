// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.xenapi.resource;

import dev.varve.sr.spi.ProbeDocument;
import dev.varve.sr.spi.ProbeResult;
import dev.varve.sr.spi.SrIdentity;

/** What a probe found, in the document that clients know. */
final class ProbeXml {
    private ProbeXml() {}

    /** The repositories; where there are none, the devices that one could be made on. */
    static String of(ProbeResult result) {
        return result.repositories().isEmpty() && !result.devices().isEmpty()
                ? devices(result)
                : repositories(result);
    }

    private static String devices(ProbeResult result) {
        ProbeDocument document = new ProbeDocument("Devlist");
        for (ProbeResult.Device device : result.devices()) {
            document.open("BlockDevice")
                    .element("path", device.path())
                    .element("size", Long.toString(device.sizeBytes()))
                    .element("vendor", device.vendor())
                    .element("model", device.model())
                    .element("serial", device.serial())
                    .element("content", device.content())
                    .close();
        }
        return document.text();
    }

    private static String repositories(ProbeResult result) {
        ProbeDocument document = new ProbeDocument("SRlist");
        for (ProbeResult.Found found : result.repositories()) {
            SrIdentity identity = found.identity();
            document.open("SR").element("UUID", identity.uuid().toString());
            if (!found.devices().isEmpty()) {
                document.element("Devlist", String.join(",", found.devices()));
            }
            found.space()
                    .map(space -> Long.toString(space.physicalSizeBytes()))
                    .ifPresent(size -> document.element("size", size));
            document.element("name_label", identity.label())
                    .element("name_description", identity.description())
                    .close();
        }
        return document.text();
    }
}
