// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.xenapi.resource;

import dev.varve.sr.spi.ProbeResult;
import dev.varve.sr.spi.SrIdentity;

/** What a probe found, in the document that clients know. */
final class ProbeXml {
    private ProbeXml() {}

    private static final String HEAD = "<?xml version=\"1.0\" ?>\n";

    /** The repositories; where there are none, the devices that one could be made on. */
    static String of(ProbeResult result) {
        return result.repositories().isEmpty() && !result.devices().isEmpty()
                ? devices(result)
                : repositories(result);
    }

    private static String devices(ProbeResult result) {
        StringBuilder xml = new StringBuilder(HEAD).append("<Devlist>\n");
        for (ProbeResult.Device device : result.devices()) {
            xml.append("\t<BlockDevice>\n");
            element(xml, "path", device.path());
            element(xml, "size", Long.toString(device.sizeBytes()));
            element(xml, "vendor", device.vendor());
            element(xml, "model", device.model());
            element(xml, "serial", device.serial());
            element(xml, "content", device.content());
            xml.append("\t</BlockDevice>\n");
        }
        return xml.append("</Devlist>\n").toString();
    }

    private static String repositories(ProbeResult result) {
        StringBuilder xml = new StringBuilder(HEAD).append("<SRlist>\n");
        for (ProbeResult.Found found : result.repositories()) {
            SrIdentity identity = found.identity();
            xml.append("\t<SR>\n");
            element(xml, "UUID", identity.uuid().toString());
            found.space()
                    .ifPresent(
                            space ->
                                    element(xml, "size", Long.toString(space.physicalSizeBytes())));
            element(xml, "name_label", identity.label());
            element(xml, "name_description", identity.description());
            xml.append("\t</SR>\n");
        }
        return xml.append("</SRlist>\n").toString();
    }

    private static void element(StringBuilder xml, String name, String value) {
        xml.append("\t\t<").append(name).append(">\n\t\t\t");
        for (int i = 0; i < value.length(); i++) {
            char c = value.charAt(i);
            switch (c) {
                case '&' -> xml.append("&amp;");
                case '<' -> xml.append("&lt;");
                case '>' -> xml.append("&gt;");
                default -> xml.append(c < ' ' ? ' ' : c);
            }
        }
        xml.append("\n\t\t</").append(name).append(">\n");
    }
}
