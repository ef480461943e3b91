// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.daemon;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.varve.hv.nbd.Tool;
import dev.varve.hv.storage.Drivers;
import dev.varve.hv.storage.LaneStorageEngine;
import dev.varve.hv.testing.TestDaemon;
import dev.varve.hv.xenapi.Caller;
import dev.varve.vdi.time.Clock;
import dev.varve.vdi.time.RandomSource;
import dev.varve.vdi.time.Scheduler;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import java.io.IOException;
import java.net.InetAddress;
import java.net.Socket;
import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/** A whole daemon serves a disk to those in the network who have logged in, and to nobody else. */
@Tag("real")
final class DaemonNbdTest {
    private static final long SIZE = 64 << 20;

    @TempDir Path home;
    private VarveDaemon daemon;
    private String session;

    @BeforeEach
    void start() throws IOException {
        Tool.require("nbdcopy", "nbdinfo");
        Files.writeString(
                home.resolve(Settings.FILE), "api.https=off\napi.http=off\nnbd.tls=127.0.0.1:0\n");
        daemon =
                VarveDaemon.start(
                        home,
                        new VarveDaemon.Parts(
                                Clock.system(),
                                RandomSource.secure(),
                                Scheduler.system("test-scheduler"),
                                Drivers.installed(),
                                LaneStorageEngine::open));
        session =
                (String)
                        daemon.dispatcher()
                                .call(
                                        Caller.LOCAL,
                                        "session.login_with_password",
                                        List.of("root", ""));
    }

    @AfterEach
    void stop() {
        if (daemon != null) {
            daemon.close();
        }
    }

    private Object call(String method, Object... args) {
        List<Object> params = new ArrayList<>(List.of(session));
        params.addAll(List.of(args));
        return daemon.dispatcher().call(Caller.LOCAL, method, params);
    }

    /** Makes a disk and plugs it into the host. */
    private String attachedDisk() throws IOException {
        Path disks = Files.createDirectory(home.resolve("disks"));
        String host = (String) ((List<?>) call("host.get_all")).getFirst();
        Object sr =
                call(
                        "SR.create",
                        host,
                        Map.of("location", disks.toString()),
                        0L,
                        "one",
                        "",
                        "file",
                        "",
                        false,
                        Map.of());
        String vdi =
                (String)
                        call(
                                "VDI.create",
                                Map.of("SR", sr, "virtual_size", SIZE, "name_label", "disk"));
        Object vbd =
                call(
                        "VBD.create",
                        Map.of(
                                "VM",
                                call("host.get_control_domain", host),
                                "VDI",
                                vdi,
                                "userdevice",
                                "autodetect"));
        call("VBD.plug", vbd);
        return vdi;
    }

    private Map<?, ?> server(String vdi) {
        List<?> servers = (List<?>) call("VDI.get_nbd_info", vdi);
        assertEquals(1, servers.size());
        return (Map<?, ?>) servers.getFirst();
    }

    private String uri(Map<?, ?> server, String name) throws IOException {
        Path trusted = home.resolve("trusted");
        Files.createDirectories(trusted);
        Files.writeString(trusted.resolve("ca-cert.pem"), (String) server.get("cert"));
        return "nbds://%s:%d/%s?tls-certificates=%s"
                .formatted(
                        server.get("address"),
                        (Long) server.get("port"),
                        URLEncoder.encode(name, StandardCharsets.UTF_8),
                        trusted);
    }

    @Test
    void servesADiskToWhoHasLoggedIn() throws Exception {
        call("session.change_password", "", "a good password");
        String vdi = attachedDisk();
        Map<?, ?> server = server(vdi);
        String name = (String) server.get("exportname");
        byte[] content = new byte[1 << 20];
        RandomSource.secure().bytes(content);
        Path source = Files.write(home.resolve("source"), content);
        Tool.run("truncate", "-s", Long.toString(SIZE), source.toString());
        Tool.run("nbdcopy", "--flush", source.toString(), uri(server, name));
        Path back = home.resolve("back");
        Tool.run("nbdcopy", uri(server, name), back.toString());
        assertEquals(-1, Files.mismatch(source, back));

        String bare = name.substring(0, name.indexOf('?'));
        for (String wrong : List.of(bare, bare.substring(1), bare + "?session_id=OpaqueRef:x")) {
            Tool.Result refused = Tool.tryRun("nbdinfo", uri(server, wrong));
            assertNotEquals(0, refused.status(), refused.output());
            assertTrue(refused.output().contains("No such file"), refused.output());
        }
        Tool.Result listed = Tool.tryRun("nbdinfo", "--list", uri(server, ""));
        assertTrue(!listed.output().contains(bare.substring(1)), listed.output());
    }

    @Test
    void endsWithThePassword() throws Exception {
        call("session.change_password", "", "a good password");
        Map<?, ?> server = server(attachedDisk());
        int port = Math.toIntExact((Long) server.get("port"));
        try (Socket client = new Socket(InetAddress.getLoopbackAddress(), port)) {
            assertTrue(client.getInputStream().read() >= 0, "it greets");
            TestDaemon.xe(daemon, "varve-passwd").ok();
            // The rest of the greeting comes first, then the end.
            client.getInputStream().readAllBytes();
        }
        assertEquals(
                List.of(), call("VDI.get_nbd_info", ((List<?>) call("VDI.get_all")).getFirst()));
    }
}
