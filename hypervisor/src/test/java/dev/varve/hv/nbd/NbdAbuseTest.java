// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.nbd;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.varve.vdi.block.BlockOp;
import dev.varve.vdi.engine.ActiveVdi;
import dev.varve.vdi.filter.FaultFilter;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.HashSet;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;

/** Clients that do what they must not, over a real socket; others never notice. */
@Timeout(60)
class NbdAbuseTest {
    private static final int LARGEST = 32 << 20;

    @TempDir Path directory;
    private MemoryServer server;
    private ActiveVdi vdi;
    private String name;

    @BeforeEach
    void start() {
        server = new MemoryServer(directory);
        vdi = server.serve(true);
        name = vdi.uuid().toString();
    }

    @AfterEach
    void stop() {
        server.close();
    }

    private RawClient connect() {
        return new RawClient(server.socket);
    }

    private RawClient client(boolean structured) throws IOException {
        return connect().go(name, structured);
    }

    private static byte[] pattern(int length, long seed) {
        byte[] data = new byte[length];
        new Random(seed).nextBytes(data);
        return data;
    }

    /** A client that does everything right is served. */
    private void assertServes() throws IOException {
        try (RawClient client = client(false)) {
            byte[] data = pattern(4096, System.nanoTime());
            client.write(0, 1, 4096, data);
            assertEquals(0, client.reply(0).error());
            client.command(0, Nbd.CMD_READ, 2, 4096, 4096);
            assertArrayEquals(data, client.reply(4096).data());
            client.command(0, Nbd.CMD_DISC, 3, 0, 0);
            assertTrue(client.isEnded());
        }
    }

    @Test
    void garbageEndsOnlyItsOwnConnection() throws IOException {
        Random random = new Random(1);
        for (int i = 0; i < 40; i++) {
            try (RawClient client = i % 2 == 0 ? connect() : client(i % 4 == 1)) {
                byte[] garbage = new byte[1 + random.nextInt(3000)];
                random.nextBytes(garbage);
                client.send(garbage);
                if (i % 2 == 1 && garbage.length >= 28) {
                    assertTrue(client.isEnded());
                }
            } catch (IOException brokenPipe) {
                // the server had enough before everything was sent
            }
        }
        assertServes();
        server.awaitConnections(0);
    }

    @Test
    void halfOpenHandshakesKeepNobodyOut() throws IOException {
        List<RawClient> clients = new ArrayList<>();
        for (int i = 0; i < 300; i++) {
            RawClient client = connect();
            clients.add(client);
            if (i % 3 > 0) {
                client.greet(Nbd.FLAG_FIXED_NEWSTYLE);
            }
            if (i % 3 > 1) {
                client.send(
                        Arrays.copyOf(RawClient.option(Nbd.OPT_GO, RawClient.goData(name)), 19));
            }
        }
        assertServes();
        clients.forEach(RawClient::close);
        server.awaitConnections(0);
    }

    @Test
    void aClientThatVanishesWithinTheDataOfAWriteWritesNothing() throws IOException {
        for (int sent : new int[] {0, 1, 511, 70_000, (1 << 20) - 1}) {
            try (RawClient client = client(true)) {
                client.command(0, Nbd.CMD_WRITE, 1, 0, 1 << 20);
                client.send(pattern(sent, 1));
            }
        }
        server.awaitConnections(0);
        try (RawClient client = client(false)) {
            client.command(0, Nbd.CMD_READ, 1, 0, 1 << 20);
            assertArrayEquals(new byte[1 << 20], client.reply(1 << 20).data());
        }
        server.awaitConnections(0);
        server.onLane(vdi, () -> assertEquals(0, vdi.requests().inUse()));
    }

    /**
     * Four clients ask for more than the disk may have in flight and take no answer. What they
     * asked for stays in their own share.
     */
    @Test
    void clientsThatNeverReadDoNotKeepOthersFromTheDisk() throws IOException {
        List<RawClient> deaf = new ArrayList<>();
        for (int i = 0; i < 4; i++) {
            RawClient client = client(i % 2 == 0);
            deaf.add(client);
            for (int n = 0; n < 200; n++) {
                client.command(0, Nbd.CMD_READ, n, 0, 1 << 20);
            }
        }
        for (int i = 0; i < 20; i++) {
            assertServes();
        }
        server.onLane(
                vdi,
                () -> {
                    long held = vdi.lane().buffers().allocatedBytes();
                    assertTrue(held <= 300L << 20, "holds " + held + " bytes");
                });
        deaf.forEach(RawClient::close);
        server.awaitConnections(0);
        server.onLane(vdi, () -> assertEquals(0, vdi.requests().inUse()));
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void refusesBadRequestsAndGoesOn(boolean structured) throws IOException {
        long size = MemoryServer.SIZE;
        try (RawClient client = client(structured)) {
            long[][] bad = {
                {Nbd.CMD_READ, 0, size, 512, Nbd.EINVAL},
                {Nbd.CMD_READ, 0, size - 512, 1024, Nbd.EINVAL},
                {Nbd.CMD_READ, 0, -512, 512, Nbd.EINVAL},
                {Nbd.CMD_READ, 0, Long.MAX_VALUE, 512, Nbd.EINVAL},
                {Nbd.CMD_READ, 0, 100, 512, Nbd.EINVAL},
                {Nbd.CMD_READ, 0, 0, 100, Nbd.EINVAL},
                {Nbd.CMD_READ, 0, 0, 0, Nbd.EINVAL},
                {Nbd.CMD_READ, 0, 0, LARGEST + 512, Nbd.EINVAL},
                {Nbd.CMD_READ, 0, 0, 0xFFFF_FE00L, Nbd.EINVAL},
                {Nbd.CMD_READ, 1 << 9, 0, 512, Nbd.EINVAL},
                {Nbd.CMD_TRIM, 0, size, 512, Nbd.EINVAL},
                {Nbd.CMD_TRIM, 0, 0, 0, Nbd.EINVAL},
                {Nbd.CMD_TRIM, Nbd.CMD_FLAG_NO_HOLE, 0, 512, Nbd.EINVAL},
                {Nbd.CMD_WRITE_ZEROES, 0, size - 512, 1024, Nbd.ENOSPC},
                {Nbd.CMD_WRITE_ZEROES, 0, 0, 0xFFFF_FE00L, Nbd.ENOSPC},
                {Nbd.CMD_WRITE_ZEROES, 0, 3, 512, Nbd.EINVAL},
                {Nbd.CMD_WRITE_ZEROES, 1 << 4, 0, 512, Nbd.EINVAL},
                {Nbd.CMD_BLOCK_STATUS, 0, size, 512, Nbd.EINVAL},
                {Nbd.CMD_BLOCK_STATUS, 0, 0, 0, Nbd.EINVAL},
                {5, 0, 0, 0, Nbd.EINVAL},
                {99, 0, 0, 512, Nbd.EINVAL},
                {0xFFFF, 0, 0, 512, Nbd.EINVAL},
            };
            for (int i = 0; i < bad.length; i++) {
                long[] one = bad[i];
                client.command((int) one[1], (int) one[0], 7000 + i, one[2], (int) one[3]);
                RawClient.Reply reply = client.reply(0);
                String what = Arrays.toString(one);
                assertEquals(one[4], reply.error(), what);
                assertEquals(7000 + i, reply.cookie());
                boolean chunk = one[0] == Nbd.CMD_READ || one[0] == Nbd.CMD_BLOCK_STATUS;
                assertEquals(structured && chunk, reply.structured(), what);
            }
            long[][] writes = {
                {0, size, 512, Nbd.ENOSPC},
                {0, size - 512, 1024, Nbd.ENOSPC},
                {0, 100, 512, Nbd.EINVAL},
                {0, 0, 100, Nbd.EINVAL},
                {0, 0, 0, Nbd.EINVAL},
                {Nbd.CMD_FLAG_NO_HOLE, 0, 512, Nbd.EINVAL},
            };
            for (long[] one : writes) {
                client.write((int) one[0], 1, one[1], pattern((int) one[2], 1));
                assertEquals(one[3], client.reply(0).error(), Arrays.toString(one));
            }
            client.command(0, Nbd.CMD_READ, 1, 0, 4096);
            byte[] data = client.reply(4096).data();
            assertArrayEquals(
                    new byte[4096], Arrays.copyOfRange(data, data.length - 4096, data.length));
        }
    }

    @Test
    void endsAConnectionThatCannotBeFollowed() throws IOException {
        try (RawClient client = client(false)) {
            client.command(0, Nbd.CMD_WRITE, 1, 0, LARGEST + 512);
            assertTrue(client.isEnded());
        }
        try (RawClient client = client(false)) {
            byte[] request = RawClient.request(0, Nbd.CMD_READ, 1, 0, 512);
            request[0] ^= 1;
            client.send(request);
            assertTrue(client.isEnded());
        }
        assertServes();
    }

    @Test
    void takesTheLargestRequests() throws IOException {
        byte[] data = pattern(LARGEST, 5);
        try (RawClient client = client(true)) {
            client.write(Nbd.CMD_FLAG_FUA, 1, 0, data);
            assertEquals(0, client.reply(0).error());
            client.command(Nbd.CMD_FLAG_DF, Nbd.CMD_READ, 2, 0, LARGEST);
            byte[] found = client.reply(0).data();
            assertArrayEquals(data, Arrays.copyOfRange(found, 8, found.length));
        }
    }

    @Test
    void answersWhatIsInFlightBeforeItLetsAClientGo() throws IOException {
        try (RawClient client = client(false)) {
            ByteBuffer out = ByteBuffer.allocate(28 * 41);
            for (int i = 0; i < 40; i++) {
                out.put(RawClient.request(0, Nbd.CMD_READ, i, 4096L * i, 4096));
            }
            out.put(RawClient.request(0, Nbd.CMD_DISC, 0, 0, 0));
            client.send(out.array());
            Set<Long> cookies = new HashSet<>();
            for (int i = 0; i < 40; i++) {
                cookies.add(client.reply(4096).cookie());
            }
            assertEquals(40, cookies.size());
            assertTrue(client.isEnded());
        }
        server.awaitConnections(0);
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void answersAPipelineOfManyRequests(boolean structured) throws Exception {
        try (RawClient client = client(structured)) {
            byte[] data = pattern(400 * 4096, 3);
            CompletableFuture<Void> sender =
                    CompletableFuture.runAsync(
                            () -> {
                                try {
                                    for (int i = 0; i < 200; i++) {
                                        byte[] piece =
                                                Arrays.copyOfRange(data, i * 8192, (i + 1) * 8192);
                                        client.write(0, i, 8192L * i, piece);
                                    }
                                } catch (IOException e) {
                                    throw new java.io.UncheckedIOException(e);
                                }
                            });
            Set<Long> cookies = new HashSet<>();
            for (int i = 0; i < 200; i++) {
                RawClient.Reply reply = client.reply(0);
                assertEquals(0, reply.error());
                assertTrue(cookies.add(reply.cookie()));
            }
            sender.get(30, TimeUnit.SECONDS);
            for (int i = 0; i < 200; i++) {
                client.command(0, Nbd.CMD_READ, i, 8192L * i, 8192);
            }
            for (int i = 0; i < 200; i++) {
                RawClient.Reply reply = client.reply(8192);
                byte[] found = reply.data();
                int at = (int) reply.cookie() * 8192;
                assertArrayEquals(
                        Arrays.copyOfRange(data, at, at + 8192),
                        Arrays.copyOfRange(found, found.length - 8192, found.length));
            }
        }
    }

    @Test
    void servesFourClientsAtOnce() throws Exception {
        List<CompletableFuture<Void>> clients = new ArrayList<>();
        for (int c = 0; c < 4; c++) {
            long base = c * (16L << 20);
            clients.add(
                    CompletableFuture.runAsync(
                            () -> {
                                try (RawClient client = client(base > 0)) {
                                    for (int i = 0; i < 100; i++) {
                                        byte[] data = pattern(65536, base + i);
                                        client.write(0, 1, base + 65536L * i, data);
                                        assertEquals(0, client.reply(0).error());
                                        client.command(
                                                0, Nbd.CMD_READ, 2, base + 65536L * i, 65536);
                                        byte[] found = client.reply(65536).data();
                                        int from = found.length - 65536;
                                        assertArrayEquals(
                                                data,
                                                Arrays.copyOfRange(found, from, found.length));
                                    }
                                } catch (IOException e) {
                                    throw new java.io.UncheckedIOException(e);
                                }
                            }));
        }
        for (CompletableFuture<Void> client : clients) {
            client.get(30, TimeUnit.SECONDS);
        }
    }

    @Test
    void aClientThatLeavesWithRequestsAtTheDeviceDoesNotKeepTheDisk() throws IOException {
        server.onLane(
                vdi, () -> server.faults.add(FaultFilter.Rule.hang(EnumSet.allOf(BlockOp.class))));
        try (RawClient client = client(false)) {
            for (int i = 0; i < 30; i++) {
                client.command(0, Nbd.CMD_READ, i, 4096L * i, 4096);
            }
            client.write(0, 99, 0, new byte[4096]);
            awaitHung(31);
        }
        server.onLane(
                vdi,
                () -> {
                    server.faults.clear();
                    server.faults.releaseHung();
                });
        server.awaitConnections(0);
        server.end(vdi);
        assertTrue(server.engine.find(vdi.uuid()).isEmpty());
    }

    private void awaitHung(int count) {
        int[] now = new int[1];
        while (now[0] < count) {
            server.onLane(vdi, () -> now[0] = server.faults.hungCount());
        }
    }

    @Test
    void aDiskThatIsWithdrawnEndsBusyConnections() throws Exception {
        RawClient busy = client(false);
        CompletableFuture<Integer> answers =
                CompletableFuture.supplyAsync(
                        () -> {
                            int count = 0;
                            try {
                                while (true) {
                                    busy.write(0, count, 0, new byte[65536]);
                                    busy.reply(0);
                                    count++;
                                }
                            } catch (IOException ended) {
                                return count;
                            }
                        });
        RawClient idle = client(true);
        RawClient negotiating = connect().greet(Nbd.FLAG_FIXED_NEWSTYLE);
        server.end(vdi);
        answers.get(30, TimeUnit.SECONDS);
        assertTrue(idle.isEnded());
        RawClient.OptionReply reply = negotiating.ask(Nbd.OPT_GO, RawClient.goData(name));
        assertEquals(Nbd.REP_ERR_UNKNOWN, reply.type());
        List.of(busy, idle, negotiating).forEach(RawClient::close);
        server.awaitConnections(0);
    }

    @Test
    void tellsTheBlockStatusOfTheWholeDisk() throws IOException {
        try (RawClient client = client(true)) {
            long at = 0;
            while (at < MemoryServer.SIZE) {
                int length = (int) (MemoryServer.SIZE - at);
                client.command(0, Nbd.CMD_BLOCK_STATUS, 1, at, length);
                RawClient.Reply reply = client.reply(0);
                assertEquals(Nbd.REPLY_BLOCK_STATUS, reply.type());
                ByteBuffer data = ByteBuffer.wrap(reply.data());
                assertEquals(Nbd.CONTEXT_ALLOCATION_ID, data.getInt());
                assertTrue(data.hasRemaining());
                while (data.hasRemaining()) {
                    at += Integer.toUnsignedLong(data.getInt());
                    data.getInt();
                }
            }
            assertEquals(MemoryServer.SIZE, at);
            client.command(Nbd.CMD_FLAG_REQ_ONE, Nbd.CMD_BLOCK_STATUS, 1, 512, 1024);
            assertEquals(12, client.reply(0).data().length);
        }
    }

    @Test
    void aReadOnlyDiskRefusesChanges() throws IOException {
        ActiveVdi readOnly = server.serve(false);
        try (RawClient client = connect().go(readOnly.uuid().toString(), false)) {
            client.write(0, 1, 0, new byte[512]);
            assertEquals(Nbd.EPERM, client.reply(0).error());
            client.command(0, Nbd.CMD_TRIM, 1, 0, 512);
            assertEquals(Nbd.EPERM, client.reply(0).error());
            client.command(0, Nbd.CMD_WRITE_ZEROES, 1, 0, 512);
            assertEquals(Nbd.EPERM, client.reply(0).error());
            client.command(0, Nbd.CMD_FLUSH, 1, 0, 0);
            assertEquals(0, client.reply(0).error());
            client.command(0, Nbd.CMD_READ, 1, 0, 512);
            assertEquals(512, client.reply(512).data().length);
        }
    }

    /** It is gone before it has arrived on the lane of its disk. */
    @Test
    void aClientThatLeavesRightAfterItsChoiceIsForgotten() throws IOException {
        byte[] data =
                ByteBuffer.allocate(4 + name.length() + 2)
                        .putInt(name.length())
                        .put(name.getBytes(java.nio.charset.StandardCharsets.UTF_8))
                        .putShort((short) 0)
                        .array();
        for (int i = 0; i < 50; i++) {
            try (RawClient client = connect()) {
                client.greet(Nbd.FLAG_FIXED_NEWSTYLE);
                client.send(RawClient.option(Nbd.OPT_GO, data));
            }
        }
        server.awaitConnections(0);
        assertServes();
    }
}
