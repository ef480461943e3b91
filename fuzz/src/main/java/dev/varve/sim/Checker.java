// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sim;

import dev.varve.vdi.StorageException;
import dev.varve.vdi.block.ExtentList;
import dev.varve.vdi.image.ImageFormat;
import dev.varve.vdi.image.ImageInfo;

import java.lang.foreign.MemorySegment;
import java.util.List;

/** Compares a disk with its model. */
final class Checker {
    private static final int WINDOW_BYTES = 1 << 20;

    private final Patterns patterns;
    private final ModelDisk model;

    Checker(Patterns patterns, ModelDisk model) {
        this.patterns = patterns;
        this.model = model;
    }

    /** The image says of itself what it should; gives whether it was closed in order. */
    static ImageInfo inspect(SimHost host, ImageFormat format) {
        try {
            return format.inspect(host.access());
        } catch (StorageException e) {
            throw new SimulationFailure("after a crash the image is refused", e);
        }
    }

    /** What a guest's read brought is what it may bring while the power is on. */
    void checkRead(MemorySegment memory, long at, long offset, long length) {
        int first = (int) (offset / Patterns.SECTOR);
        int end = (int) ((offset + length) / Patterns.SECTOR);
        List<ModelDisk.Change> touching = model.touching(first, end);
        for (int sector = first; sector < end; sector++) {
            find(memory, at + (sector - first) * 512L, sector, touching, false);
        }
    }

    /**
     * Reads the whole disk. With a crash before, each sector has a value that it may have, and from
     * now on no other; without one, the value that the last change left.
     *
     * @param bluntly whether to read everything, and not to believe the disk where it tells of
     *     holes
     */
    void checkAll(SimVdi vdi, boolean afterCrash, boolean bluntly) {
        if (vdi.sizeBytes() != model.sizeBytes()) {
            throw new SimulationFailure(
                    "the disk has %d bytes, not %d".formatted(vdi.sizeBytes(), model.sizeBytes()));
        }
        for (long at = 0; at < vdi.sizeBytes(); ) {
            int window = (int) Math.min(WINDOW_BYTES, vdi.sizeBytes() - at);
            if (bluntly) {
                checkData(vdi, at, window, afterCrash);
                at += window;
            } else {
                at += checkWindow(vdi, at, window, afterCrash);
            }
        }
        model.decided();
    }

    private long checkWindow(SimVdi vdi, long offset, int length, boolean afterCrash) {
        ExtentList extents = vdi.extents(offset, length);
        long at = offset;
        for (int i = 0; i < extents.count(); i++) {
            if (extents.isData(i)) {
                checkData(vdi, at, (int) extents.length(i), afterCrash);
            } else {
                checkHole(at, extents.length(i), afterCrash);
            }
            at += extents.length(i);
        }
        if (at == offset || at > offset + length) {
            throw new SimulationFailure(
                    "extents of %d+%d cover %d bytes".formatted(offset, length, at - offset));
        }
        return at - offset;
    }

    private void checkData(SimVdi vdi, long offset, int length, boolean afterCrash) {
        MemorySegment memory = vdi.read(offset, length);
        int first = (int) (offset / Patterns.SECTOR);
        int end = first + length / Patterns.SECTOR;
        List<ModelDisk.Change> touching = model.touching(first, end);
        for (int sector = first; sector < end; sector++) {
            long at = (sector - first) * 512L;
            model.decide(sector, find(memory, at, sector, touching, afterCrash));
        }
    }

    private int find(
            MemorySegment memory,
            long at,
            int sector,
            List<ModelDisk.Change> touching,
            boolean afterCrash) {
        if (model.isOpen()) {
            return findInBranch(memory, at, sector, touching);
        }
        int count = model.candidates(sector, touching, afterCrash);
        for (int i = 0; i < count; i++) {
            if (patterns.matches(memory, at, model.candidate(i), sector)) {
                return model.candidate(i);
            }
        }
        throw new SimulationFailure(
                "sector %d reads %s, which is none of its values %s"
                        .formatted(sector, patterns.name(memory, at, sector), names()));
    }

    private int findInBranch(
            MemorySegment memory, long at, int sector, List<ModelDisk.Change> touching) {
        ModelDisk.Match match = stamp -> patterns.matches(memory, at, stamp, sector);
        if (!model.narrow(sector, touching, match)) {
            model.candidates(sector, touching, true);
            throw new SimulationFailure(
                    "sector %d reads %s, and no instant explains that; its values were %s"
                            .formatted(sector, patterns.name(memory, at, sector), names()));
        }
        int count = model.candidates(sector, touching, true);
        for (int i = 0; i < count; i++) {
            if (match.matches(model.candidate(i))) {
                return model.candidate(i);
            }
        }
        return Patterns.ZERO;
    }

    private String names() {
        return model.describeCandidates();
    }

    private void checkHole(long offset, long length, boolean afterCrash) {
        int first = (int) (offset / Patterns.SECTOR);
        int end = first + (int) (length / Patterns.SECTOR);
        List<ModelDisk.Change> touching = model.touching(first, end);
        for (int sector = first; sector < end; sector++) {
            boolean zero =
                    model.isOpen()
                            ? model.narrow(sector, touching, stamp -> stamp == Patterns.ZERO)
                            : mayBeZero(sector, touching, afterCrash);
            if (!zero) {
                throw new SimulationFailure(
                        "sector %d is told to be a hole, but may only have the values %s"
                                .formatted(sector, names()));
            }
            model.decide(sector, Patterns.ZERO);
        }
    }

    private boolean mayBeZero(int sector, List<ModelDisk.Change> touching, boolean afterCrash) {
        int count = model.candidates(sector, touching, afterCrash);
        for (int i = 0; i < count; i++) {
            if (model.candidate(i) == Patterns.ZERO) {
                return true;
            }
        }
        return false;
    }
}
