// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.storage;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.varve.sr.spi.Claims;
import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.Operation;
import dev.varve.vdi.StorageException;
import dev.varve.vdi.disk.DiskService;
import dev.varve.vdi.disk.VdiInfo;
import dev.varve.vdi.disk.VdiSpec;

import org.junit.jupiter.api.Test;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.UUID;

final class ClaimedDisksTest {
    private static final UUID VDI = new UUID(1, 1);
    private static final UUID HOST = new UUID(2, 2);

    private final List<String> steps = new ArrayList<>();
    private boolean heldElsewhere;
    private boolean broken;
    private boolean active;
    private final DiskService disks =
            new ClaimedDisks(new RecordedDisks(), new RecordedClaims(), _ -> active);

    private final class RecordedClaims implements Claims {
        @Override
        public Claim acquire(UUID vdi, Mode mode) {
            if (heldElsewhere) {
                throw ErrorCode.SR_VDI_IN_USE.because("another host has it");
            }
            steps.add("acquire " + mode);
            return new Claim(vdi, HOST, mode, 1);
        }

        @Override
        public void release(Claim claim) {
            steps.add("release");
        }

        @Override
        public List<Claim> holders(UUID vdi) {
            return List.of();
        }
    }

    private final class RecordedDisks implements DiskService {
        private VdiInfo step(String what) {
            steps.add(what);
            if (broken) {
                throw ErrorCode.SR_NO_SPACE.because("it is full");
            }
            return null;
        }

        @Override
        public List<VdiInfo> scan(Operation operation) {
            step("scan");
            return List.of();
        }

        @Override
        public Optional<VdiInfo> find(UUID vdi) {
            return Optional.ofNullable(step("find"));
        }

        @Override
        public VdiInfo create(VdiSpec spec, Operation operation) {
            return step("create");
        }

        @Override
        public VdiInfo resize(UUID vdi, long virtualSizeBytes, Operation operation) {
            return step("resize");
        }

        @Override
        public void destroy(UUID vdi, Operation operation) {
            step("destroy");
        }

        @Override
        public VdiInfo rename(UUID vdi, String label, String description) {
            return step("rename");
        }
    }

    private static void fails(ErrorCode code, Runnable call) {
        assertEquals(code, assertThrows(StorageException.class, call::run).code());
    }

    @Test
    void changesAnImageUnderAClaim() {
        disks.resize(VDI, 1, null);
        disks.destroy(VDI, null);
        assertEquals(
                List.of(
                        "acquire WRITE",
                        "resize",
                        "release",
                        "acquire WRITE",
                        "destroy",
                        "release"),
                steps);
    }

    @Test
    void leavesADiskAloneThatAnotherHostHas() {
        heldElsewhere = true;
        fails(ErrorCode.SR_VDI_IN_USE, () -> disks.resize(VDI, 1, null));
        fails(ErrorCode.SR_VDI_IN_USE, () -> disks.destroy(VDI, null));
        assertEquals(List.of(), steps);
    }

    @Test
    void leavesTheClaimOfItsUserAlone() {
        active = true;
        disks.resize(VDI, 1, null);
        assertEquals(List.of("resize"), steps);
    }

    @Test
    void givesTheClaimUpAfterAFailure() {
        broken = true;
        fails(ErrorCode.SR_NO_SPACE, () -> disks.destroy(VDI, null));
        assertEquals(List.of("acquire WRITE", "destroy", "release"), steps);
    }
}
