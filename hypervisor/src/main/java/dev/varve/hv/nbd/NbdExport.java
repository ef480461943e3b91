// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.nbd;

import dev.varve.vdi.block.BlockFeature;
import dev.varve.vdi.engine.ActiveVdi;

import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;

/**
 * A disk under its name, and the connections that use it.
 *
 * <p><b>Threads:</b> any.
 */
public final class NbdExport {
    private final String name;
    private final ActiveVdi vdi;
    private final NbdBitmaps bitmaps;
    private final Set<NbdConnection> connections = ConcurrentHashMap.newKeySet();
    private volatile boolean closed;

    /**
     * @param name under which clients ask for the disk
     */
    public NbdExport(String name, ActiveVdi vdi) {
        this(name, vdi, NbdBitmaps.NONE);
    }

    /**
     * @param name under which clients ask for the disk
     * @param bitmaps by what it differs from earlier snapshots
     */
    public NbdExport(String name, ActiveVdi vdi, NbdBitmaps bitmaps) {
        this.name = name;
        this.vdi = vdi;
        this.bitmaps = bitmaps;
    }

    String name() {
        return name;
    }

    ActiveVdi vdi() {
        return vdi;
    }

    NbdBitmaps bitmaps() {
        return bitmaps;
    }

    long sizeBytes() {
        return vdi.device().geometry().sizeBytes();
    }

    /** The transmission flags. */
    int flags() {
        Set<BlockFeature> features = vdi.device().features();
        int flags =
                Nbd.EXPORT_HAS_FLAGS
                        | Nbd.EXPORT_SEND_FLUSH
                        | Nbd.EXPORT_SEND_DF
                        | Nbd.EXPORT_CAN_MULTI_CONN;
        flags |= vdi.isWritable() ? 0 : Nbd.EXPORT_READ_ONLY;
        flags |= features.contains(BlockFeature.FUA) ? Nbd.EXPORT_SEND_FUA : 0;
        flags |= features.contains(BlockFeature.DISCARD) ? Nbd.EXPORT_SEND_TRIM : 0;
        flags |= features.contains(BlockFeature.WRITE_ZEROES) ? Nbd.EXPORT_SEND_WRITE_ZEROES : 0;
        return flags;
    }

    /** Registers a connection; false when the export is going away. */
    boolean add(NbdConnection connection) {
        connections.add(connection);
        if (closed) {
            connections.remove(connection);
            return false;
        }
        return true;
    }

    void remove(NbdConnection connection) {
        connections.remove(connection);
    }

    /** Ends the connections that came through a listener. */
    void closeThoseOf(NbdConnection.Owner owner) {
        for (NbdConnection connection : connections) {
            if (connection.owner() == owner) {
                vdi.lane().execute(connection::terminate);
            }
        }
    }

    /** Ends all connections; what they have in flight is finished but not answered. */
    void close() {
        closed = true;
        for (NbdConnection connection : connections) {
            vdi.lane().execute(connection::terminate);
        }
    }
}
