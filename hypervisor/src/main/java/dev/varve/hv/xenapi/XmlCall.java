// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.xenapi;

import java.io.StringReader;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.Charset;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

import javax.xml.stream.XMLInputFactory;
import javax.xml.stream.XMLStreamConstants;
import javax.xml.stream.XMLStreamException;
import javax.xml.stream.XMLStreamReader;

/**
 * A call as XML-RPC writes it: the name of a method, and values as text, numbers, truths, lists and
 * maps, like those of JSON.
 *
 * <p>Documents with a document type are refused, so there are no entities to expand or to fetch.
 * Values nest at most {@link #MOST_LEVELS} deep.
 */
public record XmlCall(String method, List<Object> params) {
    /** How deep values may nest. */
    public static final int MOST_LEVELS = 64;

    /** What the beginning of a document says about its encoding, after the mark of UTF-8. */
    private static final Pattern ENCODING =
            Pattern.compile(
                    "(?:\u00ef\u00bb\u00bf)?<\\?xml[^>]*\\sencoding\\s*=\\s*[\"']([A-Za-z0-9._-]+)[\"']");

    private static final int HEAD_BYTES = 200;

    private static XMLInputFactory factory() {
        XMLInputFactory factory = XMLInputFactory.newDefaultFactory();
        factory.setProperty(XMLInputFactory.SUPPORT_DTD, false);
        factory.setProperty(XMLInputFactory.IS_SUPPORTING_EXTERNAL_ENTITIES, false);
        factory.setProperty(XMLInputFactory.IS_REPLACING_ENTITY_REFERENCES, true);
        factory.setProperty(XMLInputFactory.IS_COALESCING, true);
        return factory;
    }

    /**
     * Reads a call.
     *
     * @throws MalformedCallException when it is none
     */
    public static XmlCall parse(byte[] document) throws MalformedCallException {
        try {
            XMLStreamReader reader =
                    factory().createXMLStreamReader(new StringReader(text(document)));
            try {
                return new Parser(reader).call();
            } finally {
                reader.close();
            }
        } catch (XMLStreamException e) {
            throw new MalformedCallException("the request is not XML: " + e.getMessage(), e);
        }
    }

    /** The text, decoded here: the parser writes to the standard error when it cannot do so. */
    private static String text(byte[] document) throws MalformedCallException {
        int length = Math.min(document.length, HEAD_BYTES);
        String head = new String(document, 0, length, StandardCharsets.ISO_8859_1);
        Matcher named = ENCODING.matcher(head);
        try {
            Charset charset =
                    named.lookingAt() ? Charset.forName(named.group(1)) : StandardCharsets.UTF_8;
            String text = charset.newDecoder().decode(ByteBuffer.wrap(document)).toString();
            return text.startsWith("\ufeff") ? text.substring(1) : text;
        } catch (IllegalArgumentException | UnsupportedOperationException e) {
            throw new MalformedCallException("the request has an unknown encoding", e);
        } catch (CharacterCodingException e) {
            throw new MalformedCallException("the request is not in its encoding", e);
        }
    }

    private record Parser(XMLStreamReader in) {
        XmlCall call() throws XMLStreamException, MalformedCallException {
            enter("methodCall");
            enter("methodName");
            String method = in.getElementText().strip();
            List<Object> params = new ArrayList<>();
            if (next()) {
                require("params");
                while (next()) {
                    require("param");
                    enter("value");
                    params.add(value(0));
                    leave();
                }
                leave();
            }
            while (in.hasNext()) {
                refuseDocumentType(in.next());
            }
            return new XmlCall(method, params);
        }

        /** Goes to the next element inside the present one; false when there is none. */
        private boolean next() throws XMLStreamException, MalformedCallException {
            while (true) {
                int event = in.next();
                refuseDocumentType(event);
                switch (event) {
                    case XMLStreamConstants.START_ELEMENT -> {
                        return true;
                    }
                    case XMLStreamConstants.END_ELEMENT, XMLStreamConstants.END_DOCUMENT -> {
                        return false;
                    }
                    case XMLStreamConstants.CHARACTERS, XMLStreamConstants.CDATA -> {
                        if (!in.isWhiteSpace()) {
                            throw malformed("text between elements");
                        }
                    }
                    default -> {
                        // Comments, instructions and space say nothing.
                    }
                }
            }
        }

        private void refuseDocumentType(int event) throws MalformedCallException {
            if (event == XMLStreamConstants.DTD || event == XMLStreamConstants.ENTITY_REFERENCE) {
                throw malformed("document types and entities are not taken");
            }
        }

        private void enter(String name) throws XMLStreamException, MalformedCallException {
            if (!next()) {
                throw malformed("<" + name + "> is missing");
            }
            require(name);
        }

        private void require(String name) throws MalformedCallException {
            if (!in.getLocalName().equals(name)) {
                throw malformed("<" + in.getLocalName() + "> where <" + name + "> belongs");
            }
        }

        /** Goes to the end of the present element, in which nothing more may be. */
        private void leave() throws XMLStreamException, MalformedCallException {
            if (next()) {
                throw malformed("<" + in.getLocalName() + "> is too much");
            }
        }

        /** The value whose element has just begun; its end is the present position afterwards. */
        private Object value(int depth) throws XMLStreamException, MalformedCallException {
            if (depth > MOST_LEVELS) {
                throw malformed("values nest deeper than " + MOST_LEVELS + " levels");
            }
            StringBuilder text = new StringBuilder();
            while (true) {
                int event = in.next();
                refuseDocumentType(event);
                switch (event) {
                    case XMLStreamConstants.CHARACTERS,
                            XMLStreamConstants.CDATA,
                            XMLStreamConstants.SPACE ->
                            text.append(in.getText());
                    case XMLStreamConstants.START_ELEMENT -> {
                        if (!text.toString().isBlank()) {
                            throw malformed("a value that is text and an element");
                        }
                        Object typed = typed(depth);
                        leave();
                        return typed;
                    }
                    // A value without a type is a text.
                    case XMLStreamConstants.END_ELEMENT -> {
                        return text.toString();
                    }
                    default -> {
                        // Comments and instructions say nothing.
                    }
                }
            }
        }

        private Object typed(int depth) throws XMLStreamException, MalformedCallException {
            String type = in.getLocalName();
            return switch (type) {
                case "string" -> in.getElementText();
                case "i4", "int", "i8" -> number(in.getElementText().strip());
                case "double" -> real(in.getElementText().strip());
                case "boolean" -> truth(in.getElementText().strip());
                case "dateTime.iso8601" -> in.getElementText().strip();
                case "array" -> array(depth);
                case "struct" -> struct(depth);
                case "nil" -> {
                    leave();
                    yield null;
                }
                default -> throw malformed("values of type " + type + " are not taken");
            };
        }

        private Object number(String text) throws MalformedCallException {
            try {
                return Long.valueOf(text);
            } catch (NumberFormatException e) {
                throw malformed(text + " is no integer");
            }
        }

        private Object real(String text) throws MalformedCallException {
            try {
                return Double.valueOf(text);
            } catch (NumberFormatException e) {
                throw malformed(text + " is no number");
            }
        }

        private Object truth(String text) throws MalformedCallException {
            return switch (text) {
                case "1", "true" -> true;
                case "0", "false" -> false;
                default -> throw malformed(text + " is no truth value");
            };
        }

        private List<Object> array(int depth) throws XMLStreamException, MalformedCallException {
            List<Object> items = new ArrayList<>();
            enter("data");
            while (next()) {
                require("value");
                items.add(value(depth + 1));
            }
            leave();
            return items;
        }

        private Map<String, Object> struct(int depth)
                throws XMLStreamException, MalformedCallException {
            Map<String, Object> members = new LinkedHashMap<>();
            while (next()) {
                require("member");
                enter("name");
                String name = in.getElementText();
                enter("value");
                members.put(name, value(depth + 1));
                leave();
            }
            return members;
        }

        private MalformedCallException malformed(String what) {
            return new MalformedCallException(
                    "line " + in.getLocation().getLineNumber() + " of the request: " + what);
        }
    }
}
