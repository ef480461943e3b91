// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.lvm;

/** The contract, on blocks of 4096 bytes. */
class LvmVolumeStoreOn4KiBTest extends LvmVolumeStoreTest {
    @Override
    int blockBytes() {
        return 4096;
    }
}
