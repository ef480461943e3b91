// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.host;

import dev.varve.vdi.ErrorCode;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.OptionalLong;

/**
 * A process, named so that any other process of the same machine can tell for certain whether it is
 * gone.
 *
 * @param bootId which run of which machine it belongs to
 * @param pidNamespace which set of process numbers its number is out of: the daemons of two
 *     containers may both be number 1
 * @param pid its number there
 * @param startTicks when it was started, in ticks since the machine was; a number that is used
 *     again has another start
 */
public record Holder(String bootId, String pidNamespace, long pid, long startTicks) {
    private static final Path PROC = Path.of("/proc");

    /** This process. */
    public static Holder self() {
        try {
            String bootId = Files.readString(PROC.resolve("sys/kernel/random/boot_id")).strip();
            String namespace = Files.readSymbolicLink(PROC.resolve("self/ns/pid")).toString();
            long pid = ProcessHandle.current().pid();
            return new Holder(bootId, namespace, pid, startTicks(pid).orElseThrow());
        } catch (IOException e) {
            throw ErrorCode.SR_GENERAL.because("cannot tell who this process is from /proc", e);
        }
    }

    /** Whether it is certain that the process is gone; false when that cannot be told from here. */
    public boolean isGone(Holder self) {
        if (!bootId.equals(self.bootId) || !pidNamespace.equals(self.pidNamespace)) {
            return false;
        }
        try {
            OptionalLong present = startTicks(pid);
            return present.isEmpty() || present.getAsLong() != startTicks;
        } catch (IOException e) {
            throw ErrorCode.SR_GENERAL.because("cannot tell whether process " + pid + " lives", e);
        }
    }

    /** Whether it is a process of the same boot as this one, another one, and may be alive. */
    public boolean livesBeside(Holder self) {
        return bootId.equals(self.bootId) && !equals(self) && !isGone(self);
    }

    /**
     * Field 22 of {@code /proc/<pid>/stat}, counted from behind the name, which may hold anything;
     * nothing when there is no such process, or nothing of it but an entry that its parent has not
     * asked for: in a container nobody may ever do so.
     */
    private static OptionalLong startTicks(long pid) throws IOException {
        final int state = 0;
        final int threads = 17;
        final int start = 19;
        try {
            String stat = Files.readString(PROC.resolve(Long.toString(pid)).resolve("stat"));
            String[] fields = stat.substring(stat.lastIndexOf(')') + 2).split(" ", -1);
            // While other threads than the first are there, they may still be writing.
            if (fields[state].equals("Z") && Long.parseLong(fields[threads]) <= 1) {
                return OptionalLong.empty();
            }
            return OptionalLong.of(Long.parseLong(fields[start]));
        } catch (NoSuchFileException e) {
            return OptionalLong.empty();
        }
    }
}
