// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.files;

import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.store.StoreSpace;

import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.TreeMap;

/**
 * A file system in memory that forgets.
 *
 * <p>What it models: the content of a file is durable when the step that makes it returns. Every
 * other step changes a name, and until the directory of the name is synced a power loss may keep or
 * lose the change, each one independently of all others. A rename between two directories may be
 * kept whole, or only its new name, or not at all; syncing either directory keeps it whole.
 *
 * <p>What it does not model: a rename of which only the removal of the old name survives (no file
 * system in use does that), and damage of what was synced.
 */
final class CrashingFileOps implements FileOps {
    /** The power went. An error, so that nothing on the way mistakes it for a failed step. */
    static final class PowerLoss extends Error {
        private static final long serialVersionUID = 1L;
    }

    private record Inode(long number, String content, long sizeBytes) {}

    /** A name that got a file, or lost it when the file is null. */
    private record Half(Path name, Inode inode) {}

    /** The change of one step; the new name comes first. */
    private record Pending(List<Half> halves) {}

    private final Map<Path, Inode> present = new TreeMap<>();
    private final Map<Path, Inode> durable = new TreeMap<>();
    private final List<Pending> pending = new ArrayList<>();
    private final Map<Integer, ErrorCode> failures = new HashMap<>();
    private long inodes;
    private int steps;
    private int crashAt = Integer.MAX_VALUE;

    /** Counts steps anew; the power goes before the given one, counted from 0. */
    void crashBefore(int step) {
        steps = 0;
        crashAt = step;
    }

    /** Lets one step fail, counted from 0. */
    void failAt(int step, ErrorCode code) {
        failures.put(step, code);
    }

    /** Lets all steps work from now on, and returns how many there were. */
    int endOfCount() {
        int counted = steps;
        crashBefore(Integer.MAX_VALUE);
        failures.clear();
        return counted;
    }

    /** The power comes back; what was not synced is kept or lost by the toss of a coin. */
    void powerOn(Random coin) {
        for (Pending change : pending) {
            int kept = coin.nextInt(change.halves().size() + 1);
            change.halves().stream().limit(kept).forEach(half -> apply(durable, half));
        }
        restart();
    }

    /** The power comes back, and everything or nothing of what was not synced is there. */
    void powerOn(boolean everything) {
        if (everything) {
            pending.forEach(change -> change.halves().forEach(half -> apply(durable, half)));
        }
        restart();
    }

    private void restart() {
        pending.clear();
        present.clear();
        present.putAll(durable);
        endOfCount();
    }

    private static void apply(Map<Path, Inode> tree, Half half) {
        if (half.inode() == null) {
            tree.remove(half.name());
        } else {
            tree.put(half.name(), half.inode());
        }
    }

    private void step() {
        if (steps == crashAt) {
            throw new PowerLoss();
        }
        ErrorCode failure = failures.get(steps);
        steps++;
        if (failure != null) {
            throw failure.because("step " + steps + " was made to fail");
        }
    }

    private void change(Half... halves) {
        Pending change = new Pending(List.of(halves));
        change.halves().forEach(half -> apply(present, half));
        pending.add(change);
    }

    private void make(Path file, String content, long sizeBytes) {
        step();
        if (present.containsKey(file)) {
            throw ErrorCode.SR_FILESYSTEM.because(file + " is there already");
        }
        change(new Half(file, new Inode(++inodes, content, sizeBytes)));
    }

    private Inode require(Path file) {
        Inode inode = present.get(file);
        if (inode == null) {
            throw ErrorCode.SR_UNAVAILABLE.because(file + " is not there");
        }
        return inode;
    }

    @Override
    public Optional<byte[]> read(Path file) {
        return Optional.ofNullable(present.get(file))
                .map(inode -> inode.content().getBytes(StandardCharsets.ISO_8859_1));
    }

    @Override
    public Optional<Entry> stat(Path file) {
        // Directories are always there.
        if (file.getNameCount() == 1 || file.endsWith(Names.HOME)) {
            return Optional.of(new Entry(false, 0, 0, 0));
        }
        return Optional.ofNullable(present.get(file))
                .map(inode -> new Entry(true, inode.number(), inode.sizeBytes(), inode.number()));
    }

    @Override
    public List<String> names(Path directory) {
        return present.keySet().stream()
                .filter(file -> directory.equals(file.getParent()))
                .map(file -> file.getFileName().toString())
                .sorted(Comparator.reverseOrder())
                .toList();
    }

    @Override
    public void write(Path file, byte[] content) {
        make(file, new String(content, StandardCharsets.ISO_8859_1), content.length);
    }

    @Override
    public void createSparse(Path file, long sizeBytes) {
        make(file, "", sizeBytes);
    }

    @Override
    public void rename(Path from, Path to) {
        step();
        Inode inode = require(from);
        if (!inode.equals(present.get(to))) {
            change(new Half(to, inode), new Half(from, null));
        }
    }

    @Override
    public void link(Path existing, Path name) {
        step();
        if (present.containsKey(name)) {
            throw ErrorCode.SR_FILESYSTEM.because(name + " is there already");
        }
        change(new Half(name, require(existing)));
    }

    @Override
    public void delete(Path file) {
        step();
        if (present.containsKey(file)) {
            change(new Half(file, null));
        }
    }

    @Override
    public void makeDirectory(Path directory) {}

    @Override
    public void syncDirectory(Path directory) {
        step();
        List<Pending> synced =
                pending.stream()
                        .filter(
                                change ->
                                        change.halves().stream()
                                                .anyMatch(
                                                        half ->
                                                                directory.equals(
                                                                        half.name().getParent())))
                        .toList();
        synced.forEach(change -> change.halves().forEach(half -> apply(durable, half)));
        pending.removeAll(synced);
    }

    @Override
    public Lock lock(Path file) {
        return () -> {};
    }

    @Override
    public Lock attach(Path file, Runnable whenAlone) {
        whenAlone.run();
        return () -> {};
    }

    @Override
    public StoreSpace space(Path directory) {
        return new StoreSpace(0, 0);
    }
}
