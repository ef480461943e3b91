// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.fuzz;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.code_intelligence.jazzer.junit.FuzzTest;

import dev.varve.hv.nbd.NbdExport;
import dev.varve.hv.nbd.NbdHandshake;
import dev.varve.sim.SimHost;

import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.provider.MethodSource;

import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;

/**
 * Any bytes as the negotiation, in any pieces: no exception, answers that are bounded and
 * well-formed, and the same answers however the bytes were cut into pieces.
 */
@Tag("fuzz")
class NbdHandshakeFuzzTest {
    private static final int MOST_ANSWERS = 8 << 20;
    private static final int GREETING = 18;
    private static final String NAME = "disk";

    static Stream<byte[]> negotiations() {
        byte[] name = NbdMessages.choice(NAME);
        byte[] contexts = NbdMessages.contexts(NAME, NbdMessages.ALLOCATION);
        return Stream.of(
                        new NbdMessages().flags(3).option(NbdMessages.OPTION_GO, name),
                        new NbdMessages()
                                .flags(1)
                                .option(NbdMessages.OPTION_LIST, new byte[0])
                                .option(NbdMessages.OPTION_INFO, name)
                                .option(NbdMessages.OPTION_STRUCTURED, new byte[0])
                                .option(NbdMessages.OPTION_SET_CONTEXT, contexts)
                                .option(NbdMessages.OPTION_GO, name),
                        new NbdMessages()
                                .flags(3)
                                .option(1, NAME.getBytes(java.nio.charset.StandardCharsets.UTF_8)),
                        new NbdMessages()
                                .flags(3)
                                .option(77, new byte[10_000])
                                .option(2, new byte[0]),
                        new NbdMessages()
                                .flags(3)
                                .option(NbdMessages.OPTION_STRUCTURED, new byte[0])
                                .option(NbdMessages.OPTION_STARTTLS, new byte[0])
                                .option(NbdMessages.OPTION_GO, name)
                                .option(NbdMessages.OPTION_STARTTLS, new byte[0]))
                .map(NbdMessages::toByteArray)
                .flatMap(NbdHandshakeFuzzTest::withPieces);
    }

    /** The first bytes say what is said about TLS, and into what pieces the rest is cut. */
    private static Stream<byte[]> withPieces(byte[] messages) {
        return Arrays.stream(NbdHandshake.Tls.values())
                .map(tls -> new byte[] {(byte) tls.ordinal(), 16})
                .map(head -> new NbdMessages().raw(head).raw(messages).toByteArray());
    }

    @MethodSource("negotiations")
    @FuzzTest(maxDuration = "2m")
    void answersAnyClientWithinBounds(byte[] data) {
        Choices choices = new Choices(data);
        NbdHandshake.Tls tls = NbdHandshake.Tls.values()[choices.below(3)];
        int piece = 1 + choices.below(64);
        byte[] input = choices.take(data.length);
        try (SimHost host = VhdBytes.host(Disk.CONTENT.copy())) {
            NbdExport export = new NbdExport(NAME, Disk.activate(host));
            Answers inPieces = negotiate(export, tls, input, piece);
            Answers atOnce = negotiate(export, tls, input, Math.max(1, input.length));
            assertEquals(atOnce.state, inPieces.state);
            assertEquals(ByteBuffer.wrap(atOnce.bytes), ByteBuffer.wrap(inPieces.bytes));
            checkAnswers(atOnce.bytes);
        }
    }

    private record Answers(NbdHandshake.State state, byte[] bytes) {}

    private static Answers negotiate(
            NbdExport export, NbdHandshake.Tls tls, byte[] input, int piece) {
        NbdHandshake handshake = new NbdHandshake(new OneExport(export), tls);
        boolean secured = false;
        ByteArrayOutputStream answers = new ByteArrayOutputStream();
        answers.writeBytes(handshake.takeOutput());
        int kept = 0;
        for (int end = 0; end < input.length && isOpen(handshake); ) {
            end = Math.min(input.length, end + piece);
            ByteBuffer in = ByteBuffer.wrap(input, kept, end - kept);
            handshake.accept(in);
            assertTrue(in.position() >= kept && in.position() <= end);
            kept = in.position();
            answers.writeBytes(handshake.takeOutput());
            assertTrue(answers.size() <= MOST_ANSWERS);
            if (handshake.state() == NbdHandshake.State.START_TLS) {
                assertFalse(secured, "TLS begins once");
                assertEquals(NbdHandshake.Tls.REQUIRED, tls);
                handshake.secured();
                secured = true;
                end = kept; // what follows has not been looked at
            }
        }
        if (handshake.state() == NbdHandshake.State.DONE) {
            assertNotNull(handshake.export());
            assertEquals(
                    tls == NbdHandshake.Tls.REQUIRED, secured, "nothing is served unprotected");
        }
        return new Answers(handshake.state(), answers.toByteArray());
    }

    private static boolean isOpen(NbdHandshake handshake) {
        return handshake.state() == NbdHandshake.State.OPEN;
    }

    private record OneExport(NbdExport export) implements NbdHandshake.Exports {
        @Override
        public Optional<NbdExport> find(String name) {
            return name.isEmpty() || name.equals(NAME) ? Optional.of(export) : Optional.empty();
        }

        @Override
        public Optional<List<String>> names() {
            return Optional.of(List.of(NAME));
        }
    }

    /** Whole answers follow the greeting; the last may be the one to the old way of choosing. */
    private static void checkAnswers(byte[] bytes) {
        ByteBuffer in = ByteBuffer.wrap(bytes);
        in.position(GREETING);
        while (in.remaining() >= 20 && in.getLong(in.position()) == 0x0003_E889_0455_65A9L) {
            int length = in.getInt(in.position() + 16);
            assertTrue(length >= 0 && length <= in.remaining() - 20);
            in.position(in.position() + 20 + length);
        }
        int rest = in.remaining();
        assertTrue(rest == 0 || rest == 10 || rest == 134, "a rest of " + rest);
    }
}
