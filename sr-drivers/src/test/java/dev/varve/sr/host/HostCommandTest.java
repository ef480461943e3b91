// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.host;

import static dev.varve.sr.contract.Errors.assertFails;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.StorageException;

import org.junit.jupiter.api.Test;

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.util.List;

class HostCommandTest {
    private static final HostCommand SHELL = new HostCommand("sh", "dash", 20);

    private static HostCommand.Result shell(String script) {
        return SHELL.run(ErrorCode.SR_GENERAL, List.of("-c", script));
    }

    @Test
    void streamsAndStatusAreToldApart() {
        assertEquals(
                new HostCommand.Result(3, "out\n", "err\n"),
                shell("echo out; echo err >&2; exit 3"));
    }

    @Test
    void argumentsAreNotForAShell() {
        HostCommand.Result result =
                new HostCommand("printf", "coreutils", 20)
                        .run(ErrorCode.SR_GENERAL, List.of("%s|", "$HOME; exit 1", "* \"'"));
        assertEquals("$HOME; exit 1|* \"'|", result.output());
    }

    @Test
    void programSpeaksOneLanguageAndReadsNothing() {
        assertEquals("C\n", shell("cat; echo $LC_ALL; exit 0").output());
    }

    @Test
    void failureTellsTheLastLines() {
        StorageException failure =
                assertFails(
                        ErrorCode.SR_MOUNT,
                        () ->
                                SHELL.require(
                                        ErrorCode.SR_MOUNT,
                                        "do it",
                                        List.of("-c", "printf 'a\nb\n\nc\nd\n' >&2; exit 7")));
        assertEquals("cannot do it: sh ended with status 7: b; c; d", failure.sentence());
    }

    @Test
    void missingProgramNamesItsPackage() {
        StorageException failure =
                assertFails(
                        ErrorCode.SR_UNAVAILABLE,
                        () ->
                                new HostCommand("no-such-program", "some-package", 5)
                                        .run(ErrorCode.SR_UNAVAILABLE, List.of()));
        assertTrue(failure.sentence().contains("install the package some-package"));
    }

    @Test
    void programThatDoesNotEndIsKilled() {
        StorageException failure =
                assertFails(
                        ErrorCode.SR_GENERAL,
                        () ->
                                new HostCommand("sleep", "coreutils", 1)
                                        .run(ErrorCode.SR_GENERAL, List.of("60")));
        assertTrue(failure.sentence().contains("within 1 seconds"), failure.sentence());
    }

    @Test
    void outputIsBoundedAndReadToItsEnd() throws IOException {
        byte[] much = new byte[3 * HostCommand.OUTPUT_BYTES];
        java.util.Arrays.fill(much, (byte) 'x');
        ByteArrayInputStream stream = new ByteArrayInputStream(much);
        assertEquals(HostCommand.OUTPUT_BYTES, HostCommand.readBounded(stream).length());
        assertEquals(0, stream.available());
    }
}
