// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.lvm;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;

class ManagementFormatTest {
    private static byte[] sector(String text) {
        byte[] bytes = new byte[512];
        Arrays.fill(bytes, (byte) ' ');
        byte[] begin = text.getBytes(StandardCharsets.UTF_8);
        System.arraycopy(begin, 0, bytes, 0, begin.length);
        return bytes;
    }

    private static Map<String, String> disk(String label, String description) {
        Map<String, String> fields = new LinkedHashMap<>();
        fields.put("uuid", "11111111-2222-4333-8444-555555555555");
        fields.put("name_label", label);
        fields.put("name_description", description);
        fields.put("managed", "1");
        fields.put("deleted", "0");
        return fields;
    }

    @Test
    void headerIsThatOfTheReferenceStack() {
        assertArrayEquals(sector("XSSM:3072      :1:2"), ManagementFormat.header(3072));
        assertEquals(Optional.of(3072L), ManagementFormat.length(sector("XSSM:3072      :1:2")));
        assertEquals(Optional.empty(), ManagementFormat.length(new byte[512]));
        assertEquals(Optional.empty(), ManagementFormat.length(sector("XSSM:many:1:2")));
    }

    @Test
    void repositoryTakesThreeSectors() {
        byte[] head =
                ManagementFormat.repository(
                        Map.of(
                                "uuid",
                                "u",
                                "allocation",
                                "thin",
                                "name_label",
                                "a<b",
                                "name_description",
                                ""));
        assertArrayEquals(
                sector("<?xml version=\"1.0\" ?><uuid>u</uuid><allocation>thin</allocation>"),
                Arrays.copyOf(head, 512));
        assertArrayEquals(
                sector("<name_label>a&lt;b</name_label>"), Arrays.copyOfRange(head, 512, 1024));
        assertArrayEquals(
                sector("<name_description></name_description>"),
                Arrays.copyOfRange(head, 1024, 1536));
        assertEquals("a<b", ManagementFormat.repositoryFields(head).get("name_label"));
    }

    @Test
    void diskTakesTwoSectors() {
        byte[] slot = ManagementFormat.slot(disk("web & mail", "2 > 1"));
        assertArrayEquals(
                sector(
                        "<vdi><name_label>web &amp; mail</name_label>"
                                + "<name_description>2 &gt; 1</name_description>"),
                Arrays.copyOf(slot, 512));
        assertArrayEquals(
                sector(
                        "<uuid>11111111-2222-4333-8444-555555555555</uuid><managed>1</managed>"
                                + "<deleted>0</deleted></vdi>"),
                Arrays.copyOfRange(slot, 512, 1024));
        assertEquals(Optional.of(disk("web & mail", "2 > 1")), ManagementFormat.fields(slot));
    }

    @ParameterizedTest
    @ValueSource(strings = {"a", "ä", "日", "🗄", "&", "<"})
    void textIsCutBetweenCharacters(String character) {
        String text = character.repeat(1000);
        Map<String, String> read = ManagementFormat.asWritten(disk(text, text));
        String label = read.get("name_label");
        assertTrue(text.startsWith(label), label);
        assertTrue(label.length() >= 40 * character.length(), label);
        assertEquals(label, read.get("name_description"));
        assertEquals("1", read.get("managed"));
    }

    /** One text may be long while the other is short. */
    @Test
    void textIsCutOnlyWhenBothTogetherAreTooLong() {
        String label = "a".repeat(440);
        assertEquals(label, ManagementFormat.asWritten(disk(label, "12345")).get("name_label"));
        assertEquals(
                "a".repeat(222),
                ManagementFormat.asWritten(disk(label, "123456")).get("name_label"));
    }

    /** One bad character would keep the reference stack from reading any of it. */
    @Test
    void whatXmlCannotSayIsReplaced() {
        String text = "a\u0000b\u0001c\ud800d\uffffe\tf";
        assertEquals(
                "a\ufffdb\ufffdc\ufffdd\ufffde\tf",
                ManagementFormat.asWritten(disk(text, "")).get("name_label"));
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "<vdi>", "garbage", "<vdi><name_label>a</name_label>"})
    void whatIsNoDiskIsNone(String text) {
        byte[] slot = Arrays.copyOf(sector(text), 1024);
        assertEquals(Optional.empty(), ManagementFormat.fields(slot));
    }
}
