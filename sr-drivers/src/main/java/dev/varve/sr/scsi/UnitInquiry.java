// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.scsi;

import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.StorageException;

import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.Optional;

/**
 * Asks a unit what it is.
 *
 * <p><b>Errors:</b> as {@link ScsiFailure}; ISCSI_DEVICE when an answer does not hold together.
 */
public final class UnitInquiry {
    private static final int WRITE_PROTECTED = 0x80;
    private static final int MODE_HEADER_BYTES = 4;
    private static final int MODE_ROOM = 192;

    private final ScsiPort port;

    /** Over a way to the unit. */
    public UnitInquiry(ScsiPort port) {
        this.port = port;
    }

    private interface Builder {
        void put(MemorySegment memory, long at);
    }

    private interface Parser<T> {
        T parse(byte[] data) throws ScsiDataException;
    }

    private ScsiOutcome execute(Builder command, int room) {
        byte[] cdb = new byte[Cdb.BYTES];
        command.put(MemorySegment.ofArray(cdb), 0);
        return port.execute(cdb, new byte[0], room);
    }

    private <T> T ask(String what, Builder command, int room, Parser<T> parser) {
        ScsiOutcome outcome = execute(command, room);
        if (!outcome.isGood()) {
            throw ScsiFailure.of(outcome, "cannot get " + what, port.name());
        }
        return parsed(what, outcome, parser);
    }

    private <T> T parsed(String what, ScsiOutcome outcome, Parser<T> parser) {
        try {
            return parser.parse(outcome.data());
        } catch (ScsiDataException e) {
            throw malformed(what, e);
        }
    }

    private StorageException malformed(String what, ScsiDataException e) {
        return ErrorCode.ISCSI_DEVICE.because(
                "%s of %s is malformed: %s".formatted(what, port.name(), e.getMessage()), e);
    }

    private <T> Optional<T> page(int code, Parser<T> parser) {
        String what = "page %02X".formatted(code);
        ScsiOutcome outcome =
                execute((m, at) -> Cdb.inquiryPage(m, at, code, VitalPages.ROOM), VitalPages.ROOM);
        if (outcome.isUnsupported()) {
            return Optional.empty();
        }
        if (!outcome.isGood()) {
            throw ScsiFailure.of(outcome, "cannot get " + what, port.name());
        }
        return Optional.of(parsed(what, outcome, parser));
    }

    /** What kind of device it is, and who made it. */
    public InquiryData inquiry() {
        return ask(
                "INQUIRY data",
                (m, at) -> Cdb.inquiry(m, at, InquiryData.ROOM),
                InquiryData.ROOM,
                InquiryData::parse);
    }

    /** Its size and shape. */
    public Capacity capacity() {
        return ask(
                "the capacity",
                (m, at) -> Cdb.readCapacity(m, at, Capacity.ROOM),
                Capacity.ROOM,
                Capacity::parse);
    }

    /** Its serial number; empty where it tells none. */
    public String serial() {
        return page(VitalPages.SERIAL, VitalPages::serial).orElse("");
    }

    /** Its names; none where it tells none. */
    public List<Designator> designators() {
        return page(VitalPages.IDENTIFICATION, Designator::parse).orElse(List.of());
    }

    /** The limits of its commands. */
    public BlockLimits limits() {
        return page(VitalPages.BLOCK_LIMITS, BlockLimits::parse).orElse(BlockLimits.UNKNOWN);
    }

    /** How it gives blocks up. */
    public Provisioning provisioning() {
        return page(VitalPages.PROVISIONING, Provisioning::parse).orElse(Provisioning.NONE);
    }

    /** Whether it lets itself be written, as far as it tells (MODE SENSE). */
    public boolean isWritable() {
        ScsiOutcome outcome = execute((m, at) -> Cdb.modeSense(m, at, MODE_ROOM), MODE_ROOM);
        if (outcome.isGood() && outcome.data().length >= MODE_HEADER_BYTES) {
            return (outcome.data()[2] & WRITE_PROTECTED) == 0;
        }
        return true; // a write tells
    }
}
