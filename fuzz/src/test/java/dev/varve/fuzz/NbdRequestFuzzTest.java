// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.fuzz;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.code_intelligence.jazzer.junit.FuzzTest;

import dev.varve.hv.nbd.NbdConnection;
import dev.varve.hv.nbd.NbdExport;
import dev.varve.hv.nbd.NbdHandshake;
import dev.varve.hv.nbd.NbdSecurity;
import dev.varve.sim.Seed;
import dev.varve.sim.SimHost;
import dev.varve.vdi.engine.ActiveVdi;

import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.provider.MethodSource;

import java.nio.ByteBuffer;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;

/**
 * Any requests, and any bytes in place of requests, to a real connection before a real disk on a
 * simulated lane: every answer belongs to a request that was sent and not answered, has the form
 * that was negotiated, and in the end the socket is closed once and nothing is in flight.
 */
@Tag("fuzz")
class NbdRequestFuzzTest {
    private static final String NAME = "disk";
    private static final int GREETING = 18;
    private static final int SIMPLE = 0x6744_6698;
    private static final int CHUNK = 0x668E_33EF;
    private static final int MOST_REQUESTS = 200;

    /** What was sent under a cookie. */
    private record Sent(int command, int length) {}

    static Stream<byte[]> conversations() {
        return Stream.of(
                new byte[] {1, 0, 2, 3, 0, 1, 4, 0, 0, 9, 1, 0, 0, 5, 1, 1, 0, 0, 3, 7, 1},
                new byte[] {0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0},
                new byte[] {7, 6, 5, 4, 3, 2, 1, 0, 7, 6, 5, 4, 3, 2, 1, 0, 7, 6, 5, 4, 3, 2});
    }

    @MethodSource("conversations")
    @FuzzTest(maxDuration = "2m")
    void answersWhatWasAskedAndNothingElse(byte[] input) {
        Choices data = new Choices(input);
        boolean structured = data.yes();
        Seed seed = new Seed(data.below(256));
        Map<Long, Sent> sent = new HashMap<>();
        NbdMessages messages = hello(structured);
        boolean endsRaw = false;
        for (long cookie = 1; data.areLeft() && cookie < MOST_REQUESTS; cookie++) {
            if (data.below(40) == 39) {
                endsRaw = true;
                messages.raw(data.take(200));
                break; // whatever follows cannot be told apart from what was meant
            }
            request(data, cookie, messages, sent);
        }
        Answers answers = new Answers(structured, endsRaw, sent);
        answers.check(converse(seed, messages.toByteArray()));
    }

    private static NbdMessages hello(boolean structured) {
        NbdMessages hello = new NbdMessages().flags(3);
        if (structured) {
            byte[] contexts = NbdMessages.contexts(NAME, NbdMessages.ALLOCATION);
            hello.option(NbdMessages.OPTION_STRUCTURED, new byte[0]);
            hello.option(NbdMessages.OPTION_SET_CONTEXT, contexts);
        }
        return hello.option(NbdMessages.OPTION_GO, NbdMessages.choice(NAME));
    }

    private static void request(
            Choices data, long cookie, NbdMessages messages, Map<Long, Sent> sent) {
        int command = data.below(10);
        int flags = data.yes() ? data.below(16) : 0;
        long offset = data.yes() ? 512L * data.below((int) (Disk.SIZE / 512) + 1) : data.anyLong();
        int length = data.yes() ? 512 * data.below(600) : data.anyInt();
        boolean carriesData = command == NbdMessages.WRITE;
        if (carriesData && (length < 0 || length > 1 << 20)) {
            length = length & 0xFFFF;
        }
        if (command == NbdMessages.DISCONNECT && data.below(10) > 0) {
            return;
        }
        messages.request(flags, command, cookie, offset, length);
        sent.put(cookie, new Sent(command, length));
        if (carriesData) {
            messages.raw(new byte[length]);
        }
    }

    private static ByteBuffer converse(Seed seed, byte[] input) {
        try (SimHost host = VhdBytes.host(Disk.CONTENT.copy())) {
            ActiveVdi vdi = Disk.activate(host);
            NbdExport export = new NbdExport(NAME, vdi);
            ScriptedClient client = new ScriptedClient(host, seed.stream("client"), input);
            NbdSecurity security = NbdSecurity.none(NbdHandshake.Tls.NOT_KNOWN);
            NbdConnection connection =
                    new NbdConnection(client, new OneExport(export), security, new Nobody());
            connection.start(host.lane());
            host.runUntil(client::isClosed);
            host.runFor(1_000_000_000);
            assertEquals(0, vdi.requests().inUse());
            assertEquals(0, vdi.device().inFlight());
            return ByteBuffer.wrap(client.answers());
        }
    }

    private record OneExport(NbdExport export) implements NbdHandshake.Exports {
        @Override
        public Optional<NbdExport> find(String name) {
            return name.equals(NAME) ? Optional.of(export) : Optional.empty();
        }

        @Override
        public Optional<List<String>> names() {
            return Optional.of(List.of(NAME));
        }
    }

    private static final class Nobody implements NbdConnection.Owner {
        @Override
        public void negotiated(NbdConnection connection) {}

        @Override
        public void closed(NbdConnection connection) {}

        @Override
        public void tlsFailed(NbdConnection connection) {}
    }

    /**
     * What the answers may be.
     *
     * @param endsRaw whether the input ended with bytes that perhaps were no requests: the server
     *     may have cut the connection in the middle of an answer then
     */
    private record Answers(boolean structured, boolean endsRaw, Map<Long, Sent> sent) {
        void check(ByteBuffer in) {
            in.position(GREETING);
            while (in.remaining() >= 20 && in.getInt(in.position()) == 0x0003_E889) {
                in.position(in.position() + 20 + in.getInt(in.position() + 16));
            }
            while (in.hasRemaining() && isWhole(in, 16)) {
                int magic = in.getInt();
                assertTrue(magic == SIMPLE || (structured && magic == CHUNK));
                int length = magic == SIMPLE ? simple(in) : chunk(in);
                if (!isWhole(in, length)) {
                    return;
                }
                in.position(in.position() + length);
            }
        }

        private boolean isWhole(ByteBuffer in, int length) {
            assertTrue(length >= 0 && (endsRaw || length <= in.remaining()));
            return length <= in.remaining();
        }

        /** Gives how much data follows. */
        private int simple(ByteBuffer in) {
            int error = in.getInt();
            Sent request = sent.remove(in.getLong());
            assertTrue(request != null || endsRaw, "an answer belongs to a request");
            if (request == null || request.command != NbdMessages.READ || error != 0) {
                return 0;
            }
            assertFalse(structured, "a read is answered in chunks when that was agreed");
            return request.length;
        }

        private int chunk(ByteBuffer in) {
            if (!isWhole(in, 16)) {
                return in.remaining();
            }
            assertEquals(1, in.getShort(), "one chunk is the whole answer");
            int type = Short.toUnsignedInt(in.getShort());
            Sent request = sent.remove(in.getLong());
            assertTrue(request != null || endsRaw, "an answer belongs to a request");
            int length = in.getInt();
            if (request != null && type == 1) {
                assertEquals(request.length + 8, length);
            }
            return length;
        }
    }
}
