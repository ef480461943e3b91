// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.iscsi.lane;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.varve.sr.scsi.BlockLimits;
import dev.varve.sr.scsi.Provisioning;

import org.junit.jupiter.api.Test;

/** Which units are asked for zeros by WRITE SAME, and for how many blocks. */
class WriteSameLimitTest {
    private static final Provisioning THIN = new Provisioning(true, true, true);

    private static long blocks(long told, Provisioning provisioning) {
        return LunMedium.writeSameBlocks(new BlockLimits(0, 0, 0, 0, 0, 0, told), provisioning);
    }

    @Test
    void whatTheUnitTellsCounts() {
        assertEquals(4096, blocks(4096, Provisioning.NONE));
        assertEquals(4096, blocks(4096, THIN));
    }

    @Test
    void aUnitThatTellsNoLimitIsSentZerosUnlessItGivesSpaceBack() {
        assertEquals(0, blocks(0, Provisioning.NONE));
        assertEquals(0, blocks(0, new Provisioning(true, false, true)));
        assertEquals(Integer.MAX_VALUE, blocks(0, THIN));
    }
}
