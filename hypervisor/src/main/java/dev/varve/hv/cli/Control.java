// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.cli;

import java.util.List;
import java.util.Optional;

/** What the launchers of the daemon ask for, beyond the API. */
public interface Control {
    /**
     * Attaches a disk to this host.
     *
     * @return the URI under which NBD clients reach it; the same one when it is attached already
     */
    String attach(String vdi, boolean readOnly, Api api);

    /** Takes a disk from this host. */
    void detach(String vdi, Api api);

    /** How the daemon does, line by line. */
    List<String> status();

    /**
     * The layers that disks are made of, as a drawing, line by line.
     *
     * @param only the reference of a repository or of a disk; without one all is drawn
     */
    List<String> tree(Optional<String> only);

    /**
     * Sets or removes the password for logins over the network.
     *
     * @return where the daemon listens now, line by line
     */
    List<String> password(Optional<String> password);

    /** Calls of the API in the name of the user. */
    interface Api {
        /** Calls a method; the session comes by itself. */
        Object call(String method, Object... args);
    }
}
