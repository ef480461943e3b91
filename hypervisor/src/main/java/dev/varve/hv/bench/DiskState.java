// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.bench;

/** What lies under a disk when the measured load begins. */
enum DiskState {
    /** All of it was written before. */
    WRITTEN("written", "full"),
    /** Its space is allocated, but was never written. */
    UNWRITTEN("unwritten", "falloc"),
    /** Nothing is there. */
    HOLES("holes", "off");

    private final String label;
    private final String preallocation;

    DiskState(String label, String preallocation) {
        this.label = label;
        this.preallocation = preallocation;
    }

    /** How it is called in reports. */
    String label() {
        return label;
    }

    /** How qemu-img makes a raw file like that. */
    String preallocation() {
        return preallocation;
    }
}
