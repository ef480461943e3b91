// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.fuzz;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.code_intelligence.jazzer.junit.FuzzTest;

import dev.varve.sr.iscsi.login.LoginProtocolException;
import dev.varve.sr.iscsi.login.TextKeys;
import dev.varve.sr.iscsi.pdu.BasicHeader;
import dev.varve.sr.iscsi.pdu.DataIn;
import dev.varve.sr.iscsi.pdu.ReadyToTransfer;
import dev.varve.sr.iscsi.pdu.ResponseHeader;
import dev.varve.sr.scsi.BlockLimits;
import dev.varve.sr.scsi.Capacity;
import dev.varve.sr.scsi.Designator;
import dev.varve.sr.scsi.InquiryData;
import dev.varve.sr.scsi.Lun;
import dev.varve.sr.scsi.PersistentReserve;
import dev.varve.sr.scsi.Provisioning;
import dev.varve.sr.scsi.ScsiDataException;
import dev.varve.sr.scsi.ScsiId;
import dev.varve.sr.scsi.Sense;
import dev.varve.sr.scsi.VitalPages;

import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.provider.MethodSource;

import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;

/** Any bytes from a target, as headers, as keys, or as what a disk says of itself. */
@Tag("fuzz")
class IscsiFuzzTest {
    /** One way to read what a disk has sent. */
    private interface Reader {
        void read(byte[] data) throws ScsiDataException;
    }

    private static final List<Reader> READERS =
            List.of(
                    Capacity::parse,
                    Lun::parseList,
                    InquiryData::parse,
                    VitalPages::supported,
                    VitalPages::serial,
                    BlockLimits::parse,
                    Provisioning::parse,
                    PersistentReserve::keys,
                    PersistentReserve::holder,
                    IscsiFuzzTest::name);

    static Stream<byte[]> answers() {
        return Stream.of(
                new byte[64],
                new byte[] {0, (byte) 0x83, 0, 12, 1, 3, 0, 8, 0x50, 1, 2, 3, 4, 5, 6, 7},
                new byte[] {0, (byte) 0x80, 0, 3, 'a', 'b', 'c'},
                new byte[] {0x70, 0, 6, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0x29, 0, 0, 0, 0, 0});
    }

    static Stream<byte[]> keys() {
        return Stream.of(
                "TargetName=iqn.2001-04.com.example:a\0TargetAddress=192.0.2.1:3260,1\0"
                        .getBytes(StandardCharsets.UTF_8),
                "CHAP_A=5\0CHAP_I=1\0CHAP_C=0x0102\0".getBytes(StandardCharsets.UTF_8));
    }

    private static void name(byte[] data) throws ScsiDataException {
        InquiryData inquiry = InquiryData.parse(Arrays.copyOf(new byte[0], 36));
        String name = ScsiId.of(inquiry, Designator.parse(data), "").orElse("");
        assertTrue(name.chars().allMatch(c -> c >= ' ' && c <= '~'), name);
    }

    @MethodSource("answers")
    @FuzzTest(maxDuration = "1m")
    void whatADiskSaysIsReadOrRefused(byte[] data) {
        for (Reader reader : READERS) {
            try {
                reader.read(data);
            } catch (ScsiDataException refused) {
                assertTrue(refused.getMessage().length() < 200);
            }
        }
        int sense = Sense.parse(MemorySegment.ofArray(data), 0, data.length);
        assertTrue(Sense.key(sense) >= -1 && Sense.key(sense) <= 0xF);
        assertTrue(!Sense.words(sense).isEmpty());
    }

    @MethodSource("answers")
    @FuzzTest(maxDuration = "1m")
    void headersStayWithinTheirBytes(byte[] data) {
        MemorySegment memory = MemorySegment.ofArray(Arrays.copyOf(data, BasicHeader.BYTES));
        ResponseHeader header = new ResponseHeader();
        header.wrap(memory, 0);
        assertTrue(header.opcode() >= 0 && header.opcode() <= 0x3F);
        assertTrue(header.additionalHeaderBytes() >= 0 && header.additionalHeaderBytes() <= 1020);
        int length = header.dataSegmentBytes();
        assertTrue(length >= 0 && length <= BasicHeader.MAX_DATA_SEGMENT_BYTES);
        header.setDataSegmentBytes(length);
        assertEquals(length, header.dataSegmentBytes());
        DataIn in = new DataIn();
        in.wrap(memory, 0);
        ReadyToTransfer ready = new ReadyToTransfer();
        ready.wrap(memory, 0);
        assertEquals(in.bufferOffset(), ready.bufferOffset());
    }

    @MethodSource("keys")
    @FuzzTest(maxDuration = "1m")
    void keysAreReadSoThatTheyCanBeWritten(byte[] data) throws LoginProtocolException {
        TextKeys keys;
        try {
            keys = TextKeys.parse(data);
        } catch (LoginProtocolException refused) {
            return;
        }
        assertEquals(keys.entries(), TextKeys.parse(keys.encode()).entries());
    }
}
