// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.daemon;

import dev.varve.hv.cli.Control;
import dev.varve.hv.storage.Attachments;
import dev.varve.hv.storage.ChainStatus;
import dev.varve.hv.storage.Datapath;
import dev.varve.hv.storage.SrManager;
import dev.varve.hv.storage.StorageEnvironment;
import dev.varve.hv.xenapi.ApiObject;
import dev.varve.hv.xenapi.Database;
import dev.varve.hv.xenapi.Passwords;
import dev.varve.vdi.ErrorCode;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.concurrent.TimeUnit;

/** Attach, detach, status and the tree of layers, for the launcher. */
final class DaemonControl implements Control {
    private final Path home;
    private final StorageEnvironment env;
    private final Database database;
    private final SrManager repositories;
    private final Attachments attachments;
    private final Passwords passwords;
    private final long startedNanos;
    private volatile Network network;

    DaemonControl(
            Path home,
            StorageEnvironment env,
            SrManager repositories,
            Attachments attachments,
            Passwords passwords,
            long startedNanos) {
        this.home = home;
        this.env = env;
        this.database = env.database();
        this.repositories = repositories;
        this.attachments = attachments;
        this.passwords = passwords;
        this.startedNanos = startedNanos;
    }

    /** Says what listens on the network, before the first client can ask. */
    void network(Network listening) {
        network = listening;
    }

    private List<ApiObject> connections(String vdi) {
        String domain = database.get("host", env.host()).text("control_domain");
        return database.referring("VBD", "VDI", vdi).stream()
                .filter(vbd -> vbd.text("VM").equals(domain))
                .toList();
    }

    @Override
    public String attach(String vdi, boolean readOnly, Api api) {
        String mode = readOnly ? "RO" : "RW";
        Optional<ApiObject> active = attachments.activeConnection(vdi);
        if (active.isPresent()) {
            if (!active.get().text("mode").equals(mode)) {
                throw ErrorCode.VDI_IN_USE.with(vdi, "attach");
            }
            return uri(active.get());
        }
        Optional<ApiObject> known =
                connections(vdi).stream().filter(vbd -> vbd.text("mode").equals(mode)).findFirst();
        if (known.isPresent()) {
            api.call("VBD.plug", known.get().ref());
            return uri(known.get());
        }
        return attachNew(vdi, mode, api);
    }

    private String attachNew(String vdi, String mode, Api api) {
        Map<String, Object> record = new TreeMap<>();
        record.put("VM", database.get("host", env.host()).text("control_domain"));
        record.put("VDI", vdi);
        record.put("userdevice", "autodetect");
        record.put("mode", mode);
        record.put("type", "Disk");
        String vbd = (String) api.call("VBD.create", record);
        try {
            api.call("VBD.plug", vbd);
        } catch (RuntimeException e) {
            try {
                api.call("VBD.destroy", vbd);
            } catch (RuntimeException suppressed) {
                e.addSuppressed(suppressed);
            }
            throw e;
        }
        return uri(database.get("VBD", vbd));
    }

    private String uri(ApiObject vbd) {
        return attachments.status(vbd).nbd().toString();
    }

    @Override
    public void detach(String vdi, Api api) {
        List<ApiObject> all = connections(vdi);
        if (all.isEmpty()) {
            throw ErrorCode.VDI_NOT_ATTACHED.with(vdi);
        }
        for (ApiObject vbd : all) {
            if (vbd.flag("currently_attached") || vbd.flag("wanted")) {
                api.call("VBD.unplug", vbd.ref());
            }
            api.call("VBD.destroy", vbd.ref());
        }
    }

    @Override
    public List<String> status() {
        List<String> lines = new ArrayList<>();
        long up = TimeUnit.NANOSECONDS.toSeconds(env.clock().nanoTime() - startedNanos);
        lines.add(
                String.format(
                        Locale.ROOT,
                        "varve %s, process id %d, up %d:%02d:%02d, home %s",
                        DaemonInfo.version(),
                        ProcessHandle.current().pid(),
                        up / 3600,
                        up / 60 % 60,
                        up % 60,
                        home));
        lines.addAll(env.engine().describe());
        lines.addAll(network.describe());
        for (ApiObject sr : database.all("SR")) {
            lines.add(repository(sr));
            repositories.chains(sr.ref()).ifPresent(chains -> lines.addAll(chains(chains)));
        }
        for (ApiObject vbd : attachments.active()) {
            lines.add(disk(vbd));
        }
        return lines;
    }

    @Override
    public List<String> password(Optional<String> password) {
        password.ifPresentOrElse(passwords::set, passwords::remove);
        return network.describe();
    }

    @Override
    public List<String> tree(Optional<String> only) {
        return new LayerTree(database, attachments).draw(only);
    }

    private String repository(ApiObject sr) {
        boolean attached =
                database.referring("PBD", "SR", sr.ref()).stream()
                        .anyMatch(pbd -> pbd.flag("currently_attached"));
        String error = sr.map("other_config").getOrDefault("last-error", "");
        String state = attached ? "attached" : "not attached";
        return "sr "
                + sr.uuid()
                + " ("
                + sr.text("name_label")
                + ") type "
                + sr.text("type")
                + ": "
                + state
                + (error.isEmpty() ? "" : ", last error: " + error)
                + ", "
                + Sizes.text(sr.number("physical_utilisation"))
                + " of "
                + Sizes.text(sr.number("physical_size"))
                + " used";
    }

    private static List<String> chains(ChainStatus chains) {
        List<String> lines = new ArrayList<>();
        lines.add(
                "  chains: longest %d images%s, %d merges, %s copied, %d failures, %d images removed%s"
                        .formatted(
                                chains.longestChain(),
                                chains.isLong() ? " (other programs open no more than 30)" : "",
                                chains.merges(),
                                Sizes.text(chains.mergedBytes()),
                                chains.failures(),
                                chains.garbage(),
                                chains.maintained() ? "" : "; another daemon maintains them"));
        if (!chains.lastError().isEmpty()) {
            lines.add("  chains: " + chains.lastError());
        }
        for (ChainStatus.Running merge : chains.running()) {
            lines.add(
                    String.format(
                            Locale.ROOT,
                            "  %s: %.0f %%, %s copied%s",
                            merge.label(),
                            merge.progress() * 100,
                            Sizes.text(merge.copiedBytes()),
                            merge.etaSeconds() < 0 ? "" : ", " + merge.etaSeconds() + " s to go"));
        }
        return lines;
    }

    private String disk(ApiObject vbd) {
        ApiObject vdi = database.get("VDI", vbd.text("VDI"));
        Datapath.Status status = attachments.status(vbd);
        StringBuilder line = new StringBuilder("disk ");
        line.append(vdi.uuid()).append(" (").append(vdi.text("name_label")).append(") ");
        line.append(vbd.text("mode")).append(' ').append(status.nbd());
        new TreeMap<>(status.counters())
                .forEach((name, value) -> line.append(' ').append(name).append('=').append(value));
        return line.toString();
    }
}
