// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.fuzz;

import dev.varve.sim.SimContent;
import dev.varve.sim.SimHost;
import dev.varve.vdi.engine.ActiveVdi;
import dev.varve.vdi.engine.OpenLayer;

import java.util.List;
import java.util.UUID;

/** A small disk to connect to. */
final class Disk {
    static final long SIZE = 4 << 20;
    static final SimContent CONTENT = VhdBytes.ours(SIZE);
    static final int REQUESTS = 16;

    private Disk() {}

    static ActiveVdi activate(SimHost host) {
        return new ActiveVdi(
                new UUID(5, 6),
                List.of(new OpenLayer(host.volume(), VhdBytes.FORMAT.open(host.access(), true))),
                true,
                REQUESTS,
                List.of(),
                below -> {},
                () -> {});
    }
}
