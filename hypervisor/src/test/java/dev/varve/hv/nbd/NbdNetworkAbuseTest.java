// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.nbd;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.varve.vdi.engine.ActiveVdi;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.UUID;
import java.util.concurrent.TimeUnit;

/** Crowds of clients in the network that do what they must not; well-behaved ones never notice. */
@Timeout(240)
class NbdNetworkAbuseTest {
    private static final int BOTH = Nbd.FLAG_FIXED_NEWSTYLE | Nbd.FLAG_NO_ZEROES;
    private static final int CROWD = 500;
    private static final long MIB = 1 << 20;
    private static final long MILLIS_PER_TICK = 10;
    private static final NbdConnection.Patience SHORT =
            new NbdConnection.Patience(
                    TimeUnit.MILLISECONDS.toNanos(1500), TimeUnit.MILLISECONDS.toNanos(500));

    @TempDir static Path keys;
    private static TestCertificate certificate;

    @TempDir Path directory;
    private MemoryServer server;
    private ActiveVdi vdi;
    private final List<RawClient> crowd = new ArrayList<>();

    @BeforeAll
    static void makeCertificate() throws Exception {
        certificate = new TestCertificate(keys);
    }

    @BeforeEach
    void start() {
        server = new MemoryServer(directory);
        vdi = server.serve(true);
    }

    @AfterEach
    void stop() {
        crowd.forEach(RawClient::close);
        server.close();
    }

    private InetSocketAddress listen(boolean tls, NbdListener.Limits limits) {
        InetSocketAddress any = new InetSocketAddress(InetAddress.getLoopbackAddress(), 0);
        NbdEndpoint endpoint =
                new NbdEndpoint(
                        any,
                        tls ? Optional.of(certificate.server) : Optional.empty(),
                        Optional::of);
        return server.nbd.listen(endpoint, limits);
    }

    private InetSocketAddress listen(boolean tls) {
        return listen(tls, NbdServer.NETWORK_LIMITS);
    }

    private static RawClient open(InetSocketAddress address, UUID disk, boolean tls)
            throws IOException {
        RawClient client = new RawClient(address).greet(BOTH);
        if (tls) {
            client.startTls(certificate.client, "TLSv1.3");
        }
        assertEquals(Nbd.REP_ACK, client.ask(Nbd.OPT_GO, RawClient.goData(disk.toString())).type());
        return client;
    }

    private RawClient join(RawClient client) {
        crowd.add(client);
        return client;
    }

    private static byte[] pattern(int length, long seed) {
        byte[] data = new byte[length];
        new Random(seed).nextBytes(data);
        return data;
    }

    /** Compares bytes that go to the disk and back. */
    private static void assertWorks(RawClient client, long at) throws IOException {
        byte[] data = pattern(70_000 & ~511, System.nanoTime());
        client.write(0, 1, at, data);
        assertEquals(0, client.reply(0).error());
        client.command(0, Nbd.CMD_READ, 2, at, data.length);
        assertArrayEquals(data, client.reply(data.length).data());
    }

    private String line(InetSocketAddress address) {
        return server.nbd.describe().stream()
                .filter(line -> line.contains(":" + address.getPort()))
                .findFirst()
                .orElseThrow();
    }

    private static long heapAfterCollection() {
        System.gc();
        Runtime runtime = Runtime.getRuntime();
        return runtime.totalMemory() - runtime.freeMemory();
    }

    /** What the process has in memory, in bytes. */
    private static long residentBytes() throws IOException {
        return Files.readAllLines(Path.of("/proc/self/status")).stream()
                .filter(line -> line.startsWith("VmRSS:"))
                .mapToLong(line -> Long.parseLong(line.replaceAll("\\D", "")) << 10)
                .findFirst()
                .orElseThrow();
    }

    private long lentBytes() {
        long[] sum = new long[1];
        server.engine
                .lanes()
                .forEach(
                        lane ->
                                server.onLane(
                                        lane, () -> sum[0] += lane.buffers().allocatedBytes()));
        return sum[0];
    }

    /** The processor time of the lanes and of what works for them, in milliseconds. */
    private static long serverCpuMillis() throws IOException {
        long ticks = 0;
        try (DirectoryStream<Path> tasks = Files.newDirectoryStream(Path.of("/proc/self/task"))) {
            for (Path task : tasks) {
                ticks += serverTicks(Files.readString(task.resolve("stat")));
            }
        }
        return ticks * MILLIS_PER_TICK;
    }

    /** Number, name in brackets, and further fields, of which 14 and 15 are times. */
    private static long serverTicks(String stat) {
        String name = stat.substring(stat.indexOf('(') + 1, stat.lastIndexOf(')'));
        if (!name.startsWith("lane-") && !name.startsWith("nbd-tls-")) {
            return 0;
        }
        String[] fields = stat.substring(stat.lastIndexOf(')') + 2).split(" ", -1);
        return Long.parseLong(fields[11]) + Long.parseLong(fields[12]);
    }

    private void fillWithIdleClients(InetSocketAddress address, int count) throws IOException {
        for (int i = 0; i < count; i++) {
            RawClient client = join(open(address, vdi.uuid(), true));
            if (i % 5 == 0) {
                assertWorks(client, 0); // was busy, and is idle again
            }
        }
    }

    @Test
    void fiveHundredIdleClientsCostLittleMemoryAndNoTime() throws Exception {
        InetSocketAddress address = listen(true);
        try (RawClient first = open(address, vdi.uuid(), true)) {
            assertWorks(first, 0); // everything is loaded before it is measured
        }
        server.awaitConnections(0);
        long heapBefore = heapAfterCollection();
        long lentBefore = lentBytes();
        int threadsBefore = Thread.activeCount();
        fillWithIdleClients(address, CROWD);
        server.awaitConnections(CROWD);
        // The last answer leaves in the turn in which the negotiation ends.
        server.onLane(server.engine.lanes().getFirst(), () -> {});
        assertTrue(line(address).contains("500 of 500 connections, 0 of 64"), line(address));

        long lent = lentBytes() - lentBefore;
        assertTrue(lent <= 4 * MIB, "idle clients keep " + lent + " bytes of lent memory");
        long heap = heapAfterCollection() - heapBefore;
        System.out.printf("heap for 500 clients and servers: %d KiB%n", heap >> 10);
        // Both ends are in this process: two engines for each connection.
        assertTrue(heap <= 100 * MIB, "500 clients and their servers take " + heap + " bytes");
        assertTrue(Thread.activeCount() <= threadsBefore + 4, "threads: " + Thread.activeCount());

        long cpuBefore = serverCpuMillis();
        assertTrue(cpuBefore > 0, "the threads of the server are found");
        TimeUnit.SECONDS.sleep(5); // it is the time itself that is measured
        long cpu = serverCpuMillis() - cpuBefore;
        System.out.printf("5 s of 500 idle clients: %d ms%n", cpu);
        assertTrue(cpu < 500, "5 idle seconds took " + cpu + " ms of a processor");

        RawClient refused = join(new RawClient(address));
        assertTrue(refused.isEnded());
        assertTrue(line(address).contains(" 1 refused"), line(address));
        crowd.removeFirst().close();
        server.awaitConnections(CROWD - 1);
        assertWorks(join(open(address, vdi.uuid(), true)), 0);
    }

    @Test
    void aWorkingClientDoesNotNoticeACrowd() throws Exception {
        ActiveVdi other = server.serve(true);
        InetSocketAddress address = listen(true);
        InetSocketAddress plain = listen(false);
        RawClient same = join(open(address, vdi.uuid(), true));
        RawClient elsewhere = join(open(address, other.uuid(), true));
        RawClient local = join(new RawClient(server.socket).go(vdi.uuid().toString(), true));
        int threadsBefore = Thread.activeCount();
        long residentBefore = residentBytes();
        Random random = new Random(3);
        for (int i = 0; i < 300; i++) {
            misbehave(i % 10 < 5 ? address : plain, i, random);
            if (i % 10 == 0) {
                assertWorks(same, MIB);
                assertWorks(elsewhere, MIB);
                assertEquals(0, flush(local));
            }
        }
        assertWorks(open(address, other.uuid(), true), 8 * MIB);
        assertWorks(open(plain, vdi.uuid(), false), 8 * MIB);
        assertTrue(Thread.activeCount() <= threadsBefore + 4, "threads: " + Thread.activeCount());
        long lent = lentBytes();
        assertTrue(lent <= 400 * MIB, "the crowd holds " + lent + " bytes");
        System.out.printf(
                "a crowd: lent %d MiB, resident +%d MiB%n%s%n%s%n",
                lent >> 20, (residentBytes() - residentBefore) >> 20, line(address), line(plain));
        crowd.forEach(RawClient::close);
        crowd.clear();
    }

    private static int flush(RawClient client) throws IOException {
        client.command(0, Nbd.CMD_FLUSH, 1, 0, 0);
        return client.reply(0).error();
    }

    /** One of ten ways. */
    private void misbehave(InetSocketAddress address, int way, Random random) throws IOException {
        boolean tls = way % 10 < 5;
        byte[] garbage = new byte[1 + random.nextInt(20_000)];
        random.nextBytes(garbage);
        switch (way % 10) {
            case 0, 5 -> new RawClient(address).close();
            case 1, 6 -> trySend(join(new RawClient(address)), garbage);
            case 2 -> {
                RawClient client = join(new RawClient(address).greet(BOTH));
                client.ask(Nbd.OPT_STARTTLS, new byte[0]);
                trySend(client, way % 20 == 2 ? garbage : new byte[] {22, 3, 1, 63, 0, 1});
            }
            case 3, 7 -> { // never reads
                RawClient client = join(open(address, vdi.uuid(), tls));
                for (int i = 0; i < 20; i++) {
                    client.command(0, Nbd.CMD_READ, i, 0, 1 << 20);
                }
            }
            case 4, 8 -> { // leaves in the middle of a write
                try (RawClient client = open(address, vdi.uuid(), tls)) {
                    client.command(0, Nbd.CMD_WRITE, 1, 32 * MIB, 1 << 20);
                    client.send(garbage);
                }
            }
            default -> { // stops within a request, or says nonsense in place of one
                RawClient client = join(open(address, vdi.uuid(), false));
                trySend(client, way % 20 == 9 ? Arrays.copyOf(garbage, 20) : garbage);
            }
        }
    }

    private static void trySend(RawClient client, byte[] bytes) throws IOException {
        try {
            client.send(bytes);
        } catch (java.net.SocketException ended) {
            assertTrue(client.isEnded()); // the server had enough before everything was sent
        }
    }

    @Test
    void theOldestHalfOpenNegotiationMakesWay() throws IOException {
        InetSocketAddress address =
                listen(true, new NbdListener.Limits(100, 8, NbdConnection.Patience.USUAL));
        for (int i = 0; i < 20; i++) {
            RawClient client = join(new RawClient(address).greet(BOTH));
            if (i % 2 == 0) {
                client.ask(Nbd.OPT_STARTTLS, new byte[0]);
            }
        }
        assertTrue(crowd.getFirst().isEnded());
        assertWorks(open(address, vdi.uuid(), true), 0);
        assertEquals(Nbd.REP_ACK, crowd.get(19).ask(Nbd.OPT_STARTTLS, new byte[0]).type());
        assertTrue(
                line(address).contains(" 7 of 8 negotiating, 0 refused, 13 displaced"),
                line(address));
    }

    @Test
    void whoDoesNotComeToAnEndIsEnded() throws IOException {
        NbdListener.Limits limits = new NbdListener.Limits(100, 64, SHORT);
        InetSocketAddress secured = listen(true, limits);
        InetSocketAddress plain = listen(false, limits);
        RawClient silent = join(new RawClient(secured));
        RawClient halfHello = join(new RawClient(secured).greet(BOTH));
        halfHello.ask(Nbd.OPT_STARTTLS, new byte[0]);
        halfHello.send(new byte[] {22, 3, 1, 1, 0, 1, 0});
        RawClient halfOption = join(new RawClient(plain).greet(BOTH));
        halfOption.send(new byte[12]);
        RawClient halfRequest = join(open(plain, vdi.uuid(), false));
        halfRequest.send(Arrays.copyOf(RawClient.request(0, Nbd.CMD_READ, 1, 0, 512), 27));
        RawClient halfWrite = join(open(secured, vdi.uuid(), true));
        halfWrite.command(0, Nbd.CMD_WRITE, 1, 0, 4096);
        RawClient deaf = join(open(secured, vdi.uuid(), true));
        for (int i = 0; i < 16; i++) {
            deaf.command(0, Nbd.CMD_READ, i, 0, 4 << 20);
        }
        RawClient idle = join(open(secured, vdi.uuid(), true));
        for (RawClient client : List.of(silent, halfHello, halfOption, halfRequest, halfWrite)) {
            assertTrue(client.isEnded());
        }
        server.awaitConnections(1);
        assertWorks(idle, 0);
        assertTrue(line(secured).contains(" 1 TLS handshakes failed"), line(secured));
        server.onLane(vdi, () -> assertEquals(0, vdi.requests().inUse()));
    }

    /** A record that is begun and not completed, under TLS. */
    @Test
    void halfARecordIsEndedToo() throws Exception {
        InetSocketAddress secured = listen(true, new NbdListener.Limits(100, 64, SHORT));
        try (Relay relay = new Relay(secured, 1 << 16);
                RawClient client = open(relay.address(), vdi.uuid(), true)) {
            assertWorks(client, 0);
            relay.slipIn(new byte[] {23, 3, 3, 32, 0, 1});
            assertTrue(client.isEnded());
        }
        server.awaitConnections(0);
    }

    @Test
    void connectsThatEndAtOnceLeaveNothing() throws IOException {
        InetSocketAddress address = listen(true);
        for (int i = 0; i < 2000; i++) {
            new RawClient(address).close();
        }
        assertWorks(open(address, vdi.uuid(), true), 0);
        server.onLane(
                server.engine.lanes().getFirst(),
                () -> assertTrue(server.nbd.connectionCount() < 500));
    }
}
