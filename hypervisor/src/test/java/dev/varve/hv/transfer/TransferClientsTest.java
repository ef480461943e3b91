// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.transfer;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.varve.hv.nbd.Tool;
import dev.varve.hv.testing.NetworkDaemon;
import dev.varve.hv.testing.TransferDaemon;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Random;

/** Transfers by programs that others wrote: npm's xen-api and curl, with qemu-img as the judge. */
@Tag("real")
final class TransferClientsTest {
    private static final int SIZE = 16 << 20;

    @TempDir Path home;
    @TempDir Path files;
    private final byte[] model = new byte[SIZE];
    private TransferDaemon daemon;
    private String vdi;
    private Path raw;

    @BeforeEach
    void start() throws IOException {
        daemon = new TransferDaemon(home);
        vdi = daemon.disk(SIZE);
        byte[] data = new byte[3 << 20];
        new Random(9).nextBytes(data);
        System.arraycopy(data, 0, model, 5 << 20, data.length);
        raw = Files.write(files.resolve("model.raw"), model);
    }

    @AfterEach
    void stop() {
        daemon.close();
    }

    private Path vhd() throws Exception {
        Tool.require("qemu-img");
        Path vhd = files.resolve("model.vhd");
        Tool.run(
                "qemu-img",
                "convert",
                "-f",
                "raw",
                "-O",
                "vpc",
                "-o",
                "force_size=on",
                raw.toString(),
                vhd.toString());
        return vhd;
    }

    @ParameterizedTest
    @CsvSource({"http,raw", "https,vhd"})
    void servesTheClientOfNpm(String scheme, String format) throws Exception {
        Tool.require("node");
        Path modules =
                Path.of(System.getProperty("varve.root"))
                        .resolve("target/test/node-clients/node_modules");
        assumeTrue(
                Files.isDirectory(modules.resolve("xen-api")),
                "needs the npm package xen-api, which ./varve test installs when npm is there");
        Path script = files.resolve("script.mjs");
        try (InputStream in =
                TransferClientsTest.class.getResourceAsStream("/clients/xen-api-transfer.mjs")) {
            Files.copy(in, script);
        }
        Path target = files.resolve("out." + format);
        String said =
                Tool.run(
                        "env",
                        "NODE_EXTRA_CA_CERTS=" + daemon.daemon.certificate(),
                        "node",
                        script.toString(),
                        modules.toString(),
                        daemon.daemon.address(scheme),
                        NetworkDaemon.PASSWORD,
                        vdi,
                        format,
                        (format.equals("raw") ? raw : vhd()).toString(),
                        target.toString());
        assertEquals(3, said.lines().filter(line -> line.startsWith("done: ")).count(), said);
        requireModel(target, format);
    }

    private void requireModel(Path file, String format) throws Exception {
        if (format.equals("raw")) {
            assertArrayEquals(model, Files.readAllBytes(file));
        } else {
            Tool.run(
                    "qemu-img",
                    "compare",
                    "-f",
                    "vpc",
                    "-F",
                    "raw",
                    file.toString(),
                    raw.toString());
        }
    }

    @Test
    void servesCurlWithUserAndPassword() throws Exception {
        Tool.require("curl");
        String user = "root:" + NetworkDaemon.PASSWORD;
        String certificate = daemon.daemon.certificate().toString();
        String query = "?vdi=" + daemon.uuid("VDI", vdi) + "&format=vhd";
        String address = daemon.daemon.address("https");
        Tool.run(
                "curl",
                "-sSf",
                "--max-time",
                "60",
                "--cacert",
                certificate,
                "-u",
                user,
                "-T",
                vhd().toString(),
                address + "/import_raw_vdi" + query);
        Path out = files.resolve("out");
        Tool.run(
                "curl",
                "-sSf",
                "--max-time",
                "60",
                "--cacert",
                certificate,
                "-u",
                user,
                "-o",
                out.toString(),
                address + "/export_raw_vdi" + query);
        requireModel(out, "vhd");
        Tool.Result refused =
                Tool.tryRun(
                        "curl",
                        "-sS",
                        "-w",
                        "%{http_code}",
                        "--max-time",
                        "60",
                        "-T",
                        raw.toString(),
                        daemon.daemon.address("http") + "/import_raw_vdi" + query);
        assertTrue(refused.output().contains("401"), refused.output());
    }
}
