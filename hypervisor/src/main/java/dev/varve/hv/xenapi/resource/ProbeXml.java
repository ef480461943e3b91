// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.xenapi.resource;

import dev.varve.sr.spi.ProbeResult;
import dev.varve.sr.spi.SrIdentity;

/** What a probe found, in the document that clients know. */
final class ProbeXml {
    private ProbeXml() {}

    static String of(ProbeResult result) {
        StringBuilder xml = new StringBuilder("<?xml version=\"1.0\" ?>\n<SRlist>\n");
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
