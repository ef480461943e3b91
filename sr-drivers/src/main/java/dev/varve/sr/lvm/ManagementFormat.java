// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.lvm;

import dev.varve.sr.store.WholeText;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * The form of the logical volume {@code MGT}, in which the reference stack keeps what it knows of
 * the repository and its disks: sectors of {@value #SECTOR_BYTES} bytes, each filled up with
 * spaces.
 *
 * <table>
 * <caption>layout, in sectors</caption>
 * <tr><th>sectors</th><th>content</th></tr>
 * <tr><td>0</td><td>{@code XSSM:<length>:1:2}; the length of all of it in bytes, left-justified in 10
 * characters</td></tr>
 * <tr><td>1</td><td>{@code <?xml version="1.0" ?>}, {@code <uuid>}, {@code <allocation>}</td></tr>
 * <tr><td>2</td><td>{@code <name_label>} of the repository</td></tr>
 * <tr><td>3</td><td>{@code <name_description>} of the repository</td></tr>
 * <tr><td>4 + 2n</td><td>{@code <vdi><name_label>..</name_label><name_description>..
 * </name_description>}</td></tr>
 * <tr><td>5 + 2n</td><td>one element for each other field, then {@code </vdi>}</td></tr>
 * </table>
 *
 * <p>Fields of a disk: {@code uuid}, {@code is_a_snapshot}, {@code snapshot_of}, {@code
 * snapshot_time}, {@code type}, {@code vdi_type} ({@code vhd} or {@code aio}), {@code read_only},
 * {@code managed}, {@code metadata_of_pool}, {@code deleted}; truth values are 0 and 1. A disk that
 * is marked deleted leaves a place for another one.
 *
 * <p>Text is XML, and there is little room for it: it is cut at the end of a character, as the
 * reference stack counts, in bytes of the escaped text. What XML cannot say becomes U+FFFD. As
 * written by the scripts of the reference stack ({@code srmetadata.py}).
 */
final class ManagementFormat {
    /** The unit of the layout. */
    static final int SECTOR_BYTES = 512;

    /** What comes before the disks. */
    static final int HEAD_BYTES = 4 * SECTOR_BYTES;

    /** What a disk takes. */
    static final int SLOT_BYTES = 2 * SECTOR_BYTES;

    static final String LABEL = "name_label";
    static final String DESCRIPTION = "name_description";
    static final String UUID_FIELD = "uuid";
    static final String ALLOCATION = "allocation";
    static final String DELETED = "deleted";

    private static final String XML = "<?xml version=\"1.0\" ?>";
    private static final Pattern HEADER = Pattern.compile("XSSM:([0-9]{1,10}) *:[0-9]+:[0-9]+ *");
    private static final Pattern ELEMENT =
            Pattern.compile("<([A-Za-z_][A-Za-z0-9_.-]*)>([^<]*)</\\1>|<([A-Za-z_][\\w.-]*) ?/>");

    /** Label and description of a disk together: a sector less its tags, and a spare. */
    private static final int MOST_DISK_TEXT =
            SECTOR_BYTES - 2 * LABEL.length() - 2 * DESCRIPTION.length() - "vdi".length() - 12;

    private ManagementFormat() {}

    // ---- writing

    /** Sector 0. */
    static byte[] header(long lengthBytes) {
        return sector("XSSM:%-10d:1:2".formatted(lengthBytes));
    }

    /** Sectors 1 to 3. */
    static byte[] repository(Map<String, String> fields) {
        byte[] head = new byte[HEAD_BYTES - SECTOR_BYTES];
        copy(sector(XML + element(fields, UUID_FIELD) + element(fields, ALLOCATION)), head, 0);
        copy(sector(cutElement(fields, LABEL)), head, SECTOR_BYTES);
        copy(sector(cutElement(fields, DESCRIPTION)), head, 2 * SECTOR_BYTES);
        return head;
    }

    private static String cutElement(Map<String, String> fields, String tag) {
        int most = SECTOR_BYTES - 2 * tag.length() - "<></>".length();
        return element(tag, cut(escape(fields.getOrDefault(tag, "")), most));
    }

    /** The two sectors of a disk. */
    static byte[] slot(Map<String, String> fields) {
        String label = escape(fields.getOrDefault(LABEL, ""));
        String description = escape(fields.getOrDefault(DESCRIPTION, ""));
        if (bytes(label) + bytes(description) > MOST_DISK_TEXT) {
            label = cut(label, MOST_DISK_TEXT / 2);
            description = cut(description, MOST_DISK_TEXT / 2);
        }
        StringBuilder rest = new StringBuilder();
        fields.forEach(
                (tag, value) -> {
                    if (!tag.equals(LABEL) && !tag.equals(DESCRIPTION)) {
                        rest.append(element(tag, escape(value)));
                    }
                });
        byte[] slot = new byte[SLOT_BYTES];
        copy(sector("<vdi>" + element(LABEL, label) + element(DESCRIPTION, description)), slot, 0);
        copy(sector(rest + "</vdi>"), slot, SECTOR_BYTES);
        return slot;
    }

    /** The fields as a reader sees them who knows only what was written. */
    static Map<String, String> asWritten(Map<String, String> fields) {
        return fields(slot(fields)).orElseThrow();
    }

    private static String element(Map<String, String> fields, String tag) {
        return element(tag, escape(fields.getOrDefault(tag, "")));
    }

    private static String element(String tag, String escaped) {
        return "<" + tag + ">" + escaped + "</" + tag + ">";
    }

    private static int bytes(String text) {
        return text.getBytes(StandardCharsets.UTF_8).length;
    }

    private static byte[] sector(String text) {
        byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
        if (bytes.length > SECTOR_BYTES) {
            throw new IllegalArgumentException(
                    "a sector of the management volume cannot hold " + bytes.length + " bytes");
        }
        byte[] sector = Arrays.copyOf(bytes, SECTOR_BYTES);
        Arrays.fill(sector, bytes.length, SECTOR_BYTES, (byte) ' ');
        return sector;
    }

    private static void copy(byte[] sector, byte[] target, int offset) {
        System.arraycopy(sector, 0, target, offset, sector.length);
    }

    private static String escape(String text) {
        StringBuilder escaped = new StringBuilder();
        WholeText.of(text)
                .codePoints()
                .forEach(
                        character -> {
                            switch (character) {
                                case '&' -> escaped.append("&amp;");
                                case '<' -> escaped.append("&lt;");
                                case '>' -> escaped.append("&gt;");
                                default ->
                                        escaped.appendCodePoint(
                                                isOfXml(character) ? character : '\ufffd');
                            }
                        });
        return escaped.toString();
    }

    private static boolean isOfXml(int character) {
        return (character >= ' ' && character != 0xfffe && character != 0xffff)
                || character == '\t'
                || character == '\n'
                || character == '\r';
    }

    /** The beginning of an escaped text, at most so many bytes; no character is cut in two. */
    private static String cut(String escaped, int mostBytes) {
        int end = 0;
        int size = 0;
        while (end < escaped.length()) {
            int next = endOfCharacter(escaped, end);
            size += bytes(escaped.substring(end, next));
            if (size > mostBytes) {
                return escaped.substring(0, end);
            }
            end = next;
        }
        return escaped;
    }

    private static int endOfCharacter(String escaped, int start) {
        return escaped.charAt(start) == '&'
                ? escaped.indexOf(';', start) + 1
                : escaped.offsetByCodePoints(start, 1);
    }

    // ---- reading

    /** The length that sector 0 says, in bytes, or nothing when it is no such sector. */
    static Optional<Long> length(byte[] sector) {
        Matcher header = HEADER.matcher(text(sector).strip());
        return header.matches() ? Optional.of(Long.parseLong(header.group(1))) : Optional.empty();
    }

    /** The fields of the repository, from sectors 1 to 3. */
    static Map<String, String> repositoryFields(byte[] head) {
        return elements(text(head));
    }

    /** The fields of a disk, or nothing when these sectors do not describe one. */
    static Optional<Map<String, String>> fields(byte[] slot) {
        String text = text(slot).strip();
        return text.startsWith("<vdi>") && text.endsWith("</vdi>")
                ? Optional.of(elements(text.substring("<vdi>".length())))
                : Optional.empty();
    }

    private static String text(byte[] bytes) {
        return new String(bytes, StandardCharsets.UTF_8).replace("\0", "");
    }

    private static Map<String, String> elements(String text) {
        Map<String, String> fields = new LinkedHashMap<>();
        Matcher matcher = ELEMENT.matcher(text);
        while (matcher.find()) {
            if (matcher.group(1) == null) {
                fields.put(matcher.group(3), "");
            } else {
                fields.put(matcher.group(1), unescape(matcher.group(2)));
            }
        }
        return fields;
    }

    private static String unescape(String text) {
        return text.indexOf('&') < 0
                ? text
                : text.replace("&lt;", "<")
                        .replace("&gt;", ">")
                        .replace("&quot;", "\"")
                        .replace("&apos;", "'")
                        .replace("&amp;", "&");
    }

    /** The slots of a volume, cut out of what follows its head. */
    static List<byte[]> slots(byte[] body) {
        List<byte[]> slots = new ArrayList<>();
        for (int at = 0; at + SLOT_BYTES <= body.length; at += SLOT_BYTES) {
            slots.add(Arrays.copyOfRange(body, at, at + SLOT_BYTES));
        }
        return slots;
    }
}
