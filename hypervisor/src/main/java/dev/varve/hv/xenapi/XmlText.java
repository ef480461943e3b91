// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.xenapi;

import dev.varve.hv.xenapi.schema.ApiField;
import dev.varve.hv.xenapi.schema.ApiSchema;
import dev.varve.hv.xenapi.schema.ApiType;

import java.util.List;
import java.util.Map;

/**
 * Writes values as XML-RPC does. Which element a value becomes follows from its type in the schema,
 * because clients tell a date from a text by it. Integers become texts: those of XML-RPC have 32
 * bits.
 */
public final class XmlText {
    private final ApiSchema schema;
    private final StringBuilder xml;

    XmlText(ApiSchema schema, StringBuilder xml) {
        this.schema = schema;
        this.xml = xml;
    }

    /** A value as one {@code <value>} element. */
    public static String of(ApiSchema schema, ApiType type, Object value) {
        StringBuilder xml = new StringBuilder();
        new XmlText(schema, xml).value(type, value);
        return xml.toString();
    }

    /** Appends a value as one {@code <value>} element. */
    void value(ApiType type, Object value) {
        xml.append("<value>");
        switch (type) {
            case ApiType.Text _,
                    ApiType.Choice _,
                    ApiType.Ref _,
                    ApiType.Nothing _,
                    ApiType.Int _ ->
                    escape(value.toString());
            case ApiType.Real _ -> element("double", value.toString());
            case ApiType.Bool _ -> element("boolean", (Boolean) value ? "1" : "0");
            case ApiType.Time _ -> element("dateTime.iso8601", (String) value);
            case ApiType.Count _ -> element("i4", value.toString());
            case ApiType.SetOf set -> array(set.element(), (List<?>) value);
            case ApiType.MapOf map -> {
                xml.append("<struct>");
                ((Map<?, ?>) value).forEach((key, item) -> member((String) key, map.value(), item));
                xml.append("</struct>");
            }
            case ApiType.RecordOf rec -> fields(rec.className(), (Map<?, ?>) value);
            case ApiType.AnyRecord _ -> {
                ApiType.AnyRecord.Value any = (ApiType.AnyRecord.Value) value;
                fields(any.className(), any.fields());
            }
            case ApiType.Struct struct -> {
                xml.append("<struct>");
                for (ApiType.Struct.Member member : struct.members()) {
                    // A member that does not apply, like the fields of what is gone, is left out.
                    Object item = ((Map<?, ?>) value).get(member.name());
                    if (item != null) {
                        member(member.name(), member.type(), item);
                    }
                }
                xml.append("</struct>");
            }
        }
        xml.append("</value>");
    }

    private void fields(String className, Map<?, ?> record) {
        xml.append("<struct>");
        for (ApiField field : schema.require(className).fields()) {
            if (field.visible()) {
                member(field.name(), field.type(), record.get(field.name()));
            }
        }
        xml.append("</struct>");
    }

    private void member(String name, ApiType type, Object value) {
        xml.append("<member><name>");
        escape(name);
        xml.append("</name>");
        value(type, value);
        xml.append("</member>");
    }

    private void array(ApiType element, List<?> items) {
        xml.append("<array><data>");
        for (Object item : items) {
            value(element, item);
        }
        xml.append("</data></array>");
    }

    private void element(String name, String text) {
        xml.append('<').append(name).append('>').append(text).append("</").append(name).append('>');
    }

    private void escape(String text) {
        for (int i = 0; i < text.length(); i++) {
            char c = text.charAt(i);
            switch (c) {
                case '&' -> xml.append("&amp;");
                case '<' -> xml.append("&lt;");
                case '>' -> xml.append("&gt;");
                // Parsers turn a bare one into the end of a line.
                case '\r' -> xml.append("&#13;");
                case '\t', '\n' -> xml.append(c);
                // An error may repeat what only JSON can say.
                default -> xml.append(c < ' ' || c >= 0xfffe ? '\ufffd' : c);
            }
        }
    }
}
