// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.driver.lvmohba;

import static dev.varve.sr.block.Reservations.WRITE_EXCLUSIVE_ALL_REGISTRANTS;

import dev.varve.sr.block.Reservations.Held;
import dev.varve.sr.host.ScsiDisk;
import dev.varve.sr.host.SgPort;
import dev.varve.sr.multipath.PathReservations;
import dev.varve.sr.scsi.ScsiPort;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Persistent reservations of a real disk: this host has two paths to it, another one has the third.
 * What {@code sg_persist} shows has to be what we say, and writes tell who may write.
 *
 * <p>That this host takes the key of another one away is not tried here: the loop-back adapter of
 * the kernel does not come back from PREEMPT AND ABORT, whoever sends it.
 */
final class LabReservations {
    private static final long OWN = 0x1122334455667788L;
    private static final long OTHER = 0xabcdL;
    private static final Pattern KEY = Pattern.compile("^ *0x([0-9a-f]+) *$", Pattern.MULTILINE);

    private final List<ScsiDisk> disks = Collections.synchronizedList(new ArrayList<>());
    private final PathReservations reservations =
            new PathReservations(
                    () -> disks.stream().<ScsiPort>map(disk -> new SgPort(disk.node())).toList());

    void run() throws Exception {
        LabTarget target = new LabTarget("reserved", "1111222233334444", 64);
        disks.add(target.addPath());
        disks.add(target.addPath());
        Path other = target.addPath().node();
        registerAndReserve(other);
        beTakenAway(other);
        leave(target, other);
    }

    // ---- steps

    private void registerAndReserve(Path other) throws Exception {
        LabGuest.require(reservations.isSupported(), "the disk knows no reservations");
        expectKeys(other, List.of());
        LabGuest.requireEqual(Optional.empty(), reservations.held());
        reservations.register(OWN);
        expectKeys(other, List.of(OWN, OWN));
        reservations.reserve(WRITE_EXCLUSIVE_ALL_REGISTRANTS);
        LabGuest.requireEqual(
                Optional.of(WRITE_EXCLUSIVE_ALL_REGISTRANTS), reservations.held().map(Held::type));
        String told = persist(other, "--in", "--read-reservation");
        LabGuest.require(told.contains("Write Exclusive, all registrants"), told);
        LabGuest.require(!writes(other), "who is not registered can write");
        LabGuest.require(ownWrite(), "who is registered cannot write");
    }

    private void beTakenAway(Path other) throws Exception {
        register(other, OTHER);
        expectKeys(other, List.of(OTHER, OWN, OWN));
        LabGuest.require(writes(other), "the other is registered and cannot write");
        persist(
                other,
                "--out",
                "--preempt",
                "--param-rk=" + Long.toHexString(OTHER),
                "--param-sark=" + Long.toHexString(OWN),
                "--prout-type=" + WRITE_EXCLUSIVE_ALL_REGISTRANTS);
        expectKeys(other, List.of(OTHER));
        LabGuest.require(!ownWrite(), "who was taken away writes");
        reservations.register(OWN);
        expectKeys(other, List.of(OTHER, OWN, OWN));
        LabGuest.require(ownWrite(), "who has come back cannot write");
        register(other, 0);
    }

    private void leave(LabTarget target, Path other) throws Exception {
        ScsiDisk late = target.addPath();
        disks.add(late);
        LabGuest.require(!writes(late.node()), "a path without a key writes");
        reservations.registerNewPaths();
        expectKeys(other, List.of(OWN, OWN, OWN));
        LabGuest.require(writes(late.node()), "a path that got the key cannot write");
        reservations.unregister();
        expectKeys(other, List.of());
        LabGuest.requireEqual(Optional.empty(), reservations.held());
        LabGuest.require(writes(other), "nothing is reserved, and the other cannot write");
    }

    // ---- the judge

    private void expectKeys(Path other, List<Long> keys) throws Exception {
        List<Long> told = new ArrayList<>();
        Matcher line = KEY.matcher(persist(other, "--in", "--read-keys"));
        while (line.find()) {
            told.add(Long.parseUnsignedLong(line.group(1), 16));
        }
        LabGuest.requireEqual(keys, told.stream().sorted().toList());
        LabGuest.requireEqual(keys, reservations.keys().stream().sorted().toList());
    }

    private static void register(Path node, long key) throws Exception {
        persist(node, "--out", "--register-ignore", "--param-sark=" + Long.toHexString(key));
    }

    private static String persist(Path node, String... arguments) throws Exception {
        // The first command after something has changed is told that, and not carried out.
        LabGuest.run("sg_turs", "--number=3", node.toString());
        List<String> command = new ArrayList<>(List.of("sg_persist", "--no-inquiry"));
        command.addAll(List.of(arguments));
        command.add(node.toString());
        return LabGuest.run(command.toArray(String[]::new));
    }

    private boolean ownWrite() throws Exception {
        boolean first = writes(disks.get(0).node());
        boolean second = writes(disks.get(1).node());
        LabGuest.require(first == second, "one path writes and the other does not");
        return first;
    }

    /** Past the page cache, so that the answer of the disk is that of the program. */
    private static boolean writes(Path node) throws Exception {
        Process process =
                new ProcessBuilder(
                                "dd",
                                "if=/dev/zero",
                                "of=" + node,
                                "bs=4096",
                                "count=1",
                                "oflag=direct",
                                "conv=notrunc")
                        .redirectErrorStream(true)
                        .start();
        process.getInputStream().readAllBytes();
        return process.waitFor() == 0;
    }
}
