// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.nbd;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.varve.vdi.engine.ActiveVdi;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.Random;

/** The negotiation byte by byte, without a socket. */
class NbdHandshakeTest {
    private static final String GREETING = "4e42444d41474943 49484156454f5054 0003";
    private static final int BOTH = Nbd.FLAG_FIXED_NEWSTYLE | Nbd.FLAG_NO_ZEROES;

    @TempDir Path directory;
    private MemoryServer server;
    private String name;
    private NbdHandshake handshake;
    private final ByteArrayOutputStream answers = new ByteArrayOutputStream();

    @BeforeEach
    void start() {
        server = new MemoryServer(directory);
        ActiveVdi vdi = server.serve(true);
        name = vdi.uuid().toString();
        handshake = new NbdHandshake(server.nbd, NbdHandshake.Tls.NOT_KNOWN);
        assertArrayEquals(hex(GREETING), handshake.takeOutput());
    }

    @AfterEach
    void stop() {
        server.close();
    }

    private static byte[] hex(String text) {
        return HexFormat.of().parseHex(text.replace(" ", ""));
    }

    private static byte[] join(byte[]... parts) {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        for (byte[] part : parts) {
            out.writeBytes(part);
        }
        return out.toByteArray();
    }

    private static byte[] flags(int flags) {
        return ByteBuffer.allocate(4).putInt(flags).array();
    }

    private static byte[] text(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    /** Sends bytes in pieces; what is not taken is sent again with the next piece. */
    private byte[] send(byte[] bytes, int... cuts) {
        ByteBuffer pending = ByteBuffer.allocate(1 << 21);
        answers.reset();
        int from = 0;
        for (int i = 0; i <= cuts.length; i++) {
            int to = i < cuts.length ? cuts[i] : bytes.length;
            pending.put(bytes, from, to - from).flip();
            handshake.accept(pending);
            pending.compact();
            answers.writeBytes(handshake.takeOutput());
            from = to;
        }
        return answers.toByteArray();
    }

    private static byte[] reply(int option, int type, byte[] data) {
        return ByteBuffer.allocate(20 + data.length)
                .putLong(Nbd.OPTION_REPLY_MAGIC)
                .putInt(option)
                .putInt(type)
                .putInt(data.length)
                .put(data)
                .array();
    }

    /** The types of the answers, in order. */
    private static List<Integer> types(byte[] bytes) {
        List<Integer> types = new ArrayList<>();
        ByteBuffer in = ByteBuffer.wrap(bytes);
        while (in.hasRemaining()) {
            assertEquals(Nbd.OPTION_REPLY_MAGIC, in.getLong());
            in.getInt();
            types.add(in.getInt());
            int length = in.getInt();
            in.position(in.position() + length);
        }
        return types;
    }

    private byte[] open(byte[]... options) {
        return send(join(flags(BOTH), join(options)));
    }

    private byte[] infoAnswers(int option) {
        return join(
                reply(option, Nbd.REP_INFO, hex("0000 0000000004000000 01ed")),
                reply(option, Nbd.REP_INFO, hex("0003 00000200 00001000 02000000")),
                reply(option, Nbd.REP_ACK, new byte[0]));
    }

    @Test
    void answersGoWithSizeFlagsAndBlockSizes() {
        byte[] found = open(RawClient.option(Nbd.OPT_GO, RawClient.goData(name)));
        assertArrayEquals(infoAnswers(Nbd.OPT_GO), found);
        assertEquals(NbdHandshake.State.DONE, handshake.state());
        assertEquals(name, handshake.export().name());
        assertFalse(handshake.isStructured());
        assertFalse(handshake.hasAllocationContext());
    }

    @Test
    void answersInfoAndGoesOn() {
        byte[] found = open(RawClient.option(Nbd.OPT_INFO, RawClient.goData(name)));
        assertArrayEquals(infoAnswers(Nbd.OPT_INFO), found);
        assertEquals(NbdHandshake.State.OPEN, handshake.state());
    }

    @Test
    void theEmptyNameIsTheOnlyExport() {
        open(RawClient.option(Nbd.OPT_GO, RawClient.goData("")));
        assertEquals(name, handshake.export().name());
        server.serve(true);
        handshake = new NbdHandshake(server.nbd, NbdHandshake.Tls.NOT_KNOWN);
        handshake.takeOutput();
        byte[] found = open(RawClient.option(Nbd.OPT_GO, RawClient.goData("")));
        assertEquals(List.of(Nbd.REP_ERR_UNKNOWN), types(found));
    }

    @Test
    void answersAnExportNameWithAndWithoutZeroes() {
        byte[] option = RawClient.option(Nbd.OPT_EXPORT_NAME, text(name));
        byte[] brief = hex("0000000004000000 01ed");
        assertArrayEquals(brief, open(option));
        assertEquals(NbdHandshake.State.DONE, handshake.state());
        handshake = new NbdHandshake(server.nbd, NbdHandshake.Tls.NOT_KNOWN);
        handshake.takeOutput();
        byte[] found = send(join(flags(Nbd.FLAG_FIXED_NEWSTYLE), option));
        assertArrayEquals(join(brief, new byte[124]), found);
    }

    @Test
    void closesOnAnExportNameThatIsNotThere() {
        assertArrayEquals(new byte[0], open(RawClient.option(Nbd.OPT_EXPORT_NAME, text("x"))));
        assertEquals(NbdHandshake.State.CLOSED, handshake.state());
    }

    @Test
    void listsExports() {
        byte[] entry = join(hex("00000024"), text(name));
        byte[] expected =
                join(
                        reply(Nbd.OPT_LIST, Nbd.REP_SERVER, entry),
                        reply(Nbd.OPT_LIST, Nbd.REP_ACK, new byte[0]));
        assertArrayEquals(expected, open(RawClient.option(Nbd.OPT_LIST, new byte[0])));
        byte[] refused = send(RawClient.option(Nbd.OPT_LIST, new byte[1]));
        assertEquals(List.of(Nbd.REP_ERR_INVALID), types(refused));
    }

    @Test
    void acknowledgesAbortAndCloses() {
        byte[] expected = reply(Nbd.OPT_ABORT, Nbd.REP_ACK, new byte[0]);
        assertArrayEquals(expected, open(RawClient.option(Nbd.OPT_ABORT, new byte[0])));
        assertEquals(NbdHandshake.State.CLOSED, handshake.state());
    }

    @Test
    void setsTheAllocationContextAfterStructuredReplies() {
        byte[] context = RawClient.contextData(name, "base:other", Nbd.CONTEXT_ALLOCATION);
        byte[] early = open(RawClient.option(Nbd.OPT_SET_META_CONTEXT, context));
        assertEquals(List.of(Nbd.REP_ERR_INVALID), types(early));
        byte[] structured = send(RawClient.option(Nbd.OPT_STRUCTURED_REPLY, new byte[0]));
        assertArrayEquals(reply(Nbd.OPT_STRUCTURED_REPLY, Nbd.REP_ACK, new byte[0]), structured);
        byte[] found = send(RawClient.option(Nbd.OPT_SET_META_CONTEXT, context));
        byte[] entry = join(hex("00000001"), text(Nbd.CONTEXT_ALLOCATION));
        byte[] expected =
                join(
                        reply(Nbd.OPT_SET_META_CONTEXT, Nbd.REP_META_CONTEXT, entry),
                        reply(Nbd.OPT_SET_META_CONTEXT, Nbd.REP_ACK, new byte[0]));
        assertArrayEquals(expected, found);
        send(RawClient.option(Nbd.OPT_GO, RawClient.goData(name)));
        assertTrue(handshake.isStructured());
        assertTrue(handshake.hasAllocationContext());
    }

    @Test
    void aLaterOrFailedChoiceOfContextsReplacesTheEarlier() {
        byte[][] later = {
            RawClient.contextData(name),
            RawClient.contextData(name, "qemu:dirty-bitmap:x"),
            RawClient.contextData("nothing", Nbd.CONTEXT_ALLOCATION),
            new byte[3],
        };
        for (byte[] data : later) {
            handshake = new NbdHandshake(server.nbd, NbdHandshake.Tls.NOT_KNOWN);
            handshake.takeOutput();
            open(
                    RawClient.option(Nbd.OPT_STRUCTURED_REPLY, new byte[0]),
                    RawClient.option(
                            Nbd.OPT_SET_META_CONTEXT,
                            RawClient.contextData(name, Nbd.CONTEXT_ALLOCATION)),
                    RawClient.option(Nbd.OPT_SET_META_CONTEXT, data),
                    RawClient.option(Nbd.OPT_GO, RawClient.goData(name)));
            assertEquals(NbdHandshake.State.DONE, handshake.state());
            assertFalse(handshake.hasAllocationContext());
        }
    }

    @Test
    void listsContexts() {
        String[][] queries = {{}, {"base:"}, {Nbd.CONTEXT_ALLOCATION}, {"x:y"}};
        send(flags(BOTH));
        for (String[] query : queries) {
            byte[] data = RawClient.contextData(name, query);
            List<Integer> types = types(send(RawClient.option(Nbd.OPT_LIST_META_CONTEXT, data)));
            boolean none = query.length == 1 && query[0].equals("x:y");
            assertEquals(
                    none ? List.of(Nbd.REP_ACK) : List.of(Nbd.REP_META_CONTEXT, Nbd.REP_ACK),
                    types);
        }
    }

    @Test
    void refusesOptionsWhoseLengthsDoNotAgree() {
        send(flags(BOTH));
        byte[] go = RawClient.goData(name);
        for (int option : new int[] {Nbd.OPT_INFO, Nbd.OPT_GO}) {
            for (int length = 0; length < go.length; length++) {
                byte[] found = send(RawClient.option(option, Arrays.copyOf(go, length)));
                assertEquals(List.of(Nbd.REP_ERR_INVALID), types(found), "length " + length);
            }
            byte[] longer = Arrays.copyOf(go, go.length + 1);
            assertEquals(
                    List.of(Nbd.REP_ERR_INVALID), types(send(RawClient.option(option, longer))));
        }
        byte[] wrongCount = RawClient.contextData(name, "a");
        for (int value : new int[] {-1, 2, Integer.MAX_VALUE, Integer.MIN_VALUE}) {
            ByteBuffer.wrap(wrongCount).putInt(4 + name.length(), value);
            byte[] found = send(RawClient.option(Nbd.OPT_LIST_META_CONTEXT, wrongCount));
            assertEquals(List.of(Nbd.REP_ERR_INVALID), types(found), "count " + value);
        }
        assertEquals(NbdHandshake.State.OPEN, handshake.state());
    }

    @Test
    void refusesUnknownOptionsAndGoesOn() {
        send(flags(BOTH));
        for (int option : new int[] {0, 4, 5, 11, 12, 1000, -1}) {
            byte[] found = send(RawClient.option(option, new byte[17]));
            assertEquals(List.of(Nbd.REP_ERR_UNSUP), types(found), "option " + option);
        }
        send(RawClient.option(Nbd.OPT_GO, RawClient.goData(name)));
        assertEquals(NbdHandshake.State.DONE, handshake.state());
    }

    @Test
    void skipsOptionsThatAreTooLong() {
        send(flags(BOTH));
        int length = NbdHandshake.LONGEST_OPTION + 1;
        byte[] option = RawClient.option(Nbd.OPT_INFO, new byte[length]);
        byte[] found = send(option, 10, 16, 17, 5000);
        assertEquals(List.of(Nbd.REP_ERR_TOO_BIG), types(found));
        assertEquals(NbdHandshake.State.OPEN, handshake.state());
        ByteBuffer huge = ByteBuffer.allocate(16).putLong(Nbd.OPTION_MAGIC);
        send(huge.putInt(Nbd.OPT_INFO).putInt(-1).array());
        assertEquals(NbdHandshake.State.CLOSED, handshake.state());
    }

    @Test
    void closesOnUnknownFlagsAndWrongMagic() {
        send(flags(4));
        assertEquals(NbdHandshake.State.CLOSED, handshake.state());
        handshake = new NbdHandshake(server.nbd, NbdHandshake.Tls.NOT_KNOWN);
        byte[] option = RawClient.option(Nbd.OPT_LIST, new byte[0]);
        option[3] ^= 1;
        open(option);
        assertEquals(NbdHandshake.State.CLOSED, handshake.state());
    }

    @Test
    void closesOnAClientThatNeverChooses() {
        send(flags(BOTH));
        int count = 0;
        while (handshake.state() == NbdHandshake.State.OPEN) {
            send(RawClient.option(Nbd.OPT_LIST, new byte[0]));
            assertTrue(++count < 1000);
        }
        assertEquals(NbdHandshake.State.CLOSED, handshake.state());
    }

    @Test
    void takesTheSameConversationInAnyPieces() {
        byte[] all =
                join(
                        flags(BOTH),
                        RawClient.option(Nbd.OPT_STRUCTURED_REPLY, new byte[0]),
                        RawClient.option(Nbd.OPT_LIST, new byte[0]),
                        RawClient.option(77, new byte[100]),
                        RawClient.option(
                                Nbd.OPT_SET_META_CONTEXT,
                                RawClient.contextData(name, Nbd.CONTEXT_ALLOCATION)),
                        RawClient.option(Nbd.OPT_INFO, new byte[NbdHandshake.LONGEST_OPTION + 9]),
                        RawClient.option(Nbd.OPT_GO, RawClient.goData(name)));
        byte[] expected = send(all);
        assertEquals(NbdHandshake.State.DONE, handshake.state());
        Random random = new Random(3);
        for (int round = 0; round < 200; round++) {
            handshake = new NbdHandshake(server.nbd, NbdHandshake.Tls.NOT_KNOWN);
            handshake.takeOutput();
            int[] cuts = random.ints(1 + random.nextInt(20), 0, all.length).sorted().toArray();
            assertArrayEquals(expected, send(all, cuts));
            assertEquals(NbdHandshake.State.DONE, handshake.state());
            assertTrue(handshake.hasAllocationContext());
        }
        handshake = new NbdHandshake(server.nbd, NbdHandshake.Tls.NOT_KNOWN);
        handshake.takeOutput();
        int[] each = new int[all.length];
        Arrays.setAll(each, i -> i);
        assertArrayEquals(expected, send(all, each));
    }

    @Test
    void leavesTheFirstRequestInTheInput() {
        byte[] request = RawClient.request(0, Nbd.CMD_READ, 1, 0, 512);
        ByteBuffer in =
                ByteBuffer.wrap(
                        join(
                                flags(BOTH),
                                RawClient.option(Nbd.OPT_GO, RawClient.goData(name)),
                                request));
        handshake.accept(in);
        assertEquals(NbdHandshake.State.DONE, handshake.state());
        assertEquals(request.length, in.remaining());
    }

    private void beginWith(NbdHandshake.Tls tls) {
        handshake = new NbdHandshake(server.nbd, tls);
        handshake.takeOutput();
    }

    @Test
    void tlsIsNotKnownOrRefusedWhereThereIsNone() {
        byte[] start = RawClient.option(Nbd.OPT_STARTTLS, new byte[0]);
        assertEquals(List.of(Nbd.REP_ERR_UNSUP), types(open(start)));
        beginWith(NbdHandshake.Tls.REFUSED);
        assertEquals(List.of(Nbd.REP_ERR_POLICY), types(open(start)));
        assertEquals(NbdHandshake.State.OPEN, handshake.state());
    }

    @Test
    void stopsAtTheBeginningOfTls() {
        beginWith(NbdHandshake.Tls.REQUIRED);
        byte[] start = RawClient.option(Nbd.OPT_STARTTLS, new byte[0]);
        byte[] go = RawClient.option(Nbd.OPT_GO, RawClient.goData(name));
        ByteBuffer in = ByteBuffer.wrap(join(flags(BOTH), start, go));
        handshake.accept(in);
        assertEquals(NbdHandshake.State.START_TLS, handshake.state());
        assertEquals(go.length, in.remaining(), "what follows is not looked at");
        assertArrayEquals(
                reply(Nbd.OPT_STARTTLS, Nbd.REP_ACK, new byte[0]), handshake.takeOutput());
        handshake.secured();
        assertArrayEquals(infoAnswers(Nbd.OPT_GO), send(go));
        assertEquals(NbdHandshake.State.DONE, handshake.state());
    }

    /** What was agreed before does not hold afterwards, whoever has said it. */
    @Test
    void forgetsAtTlsWhatWasAgreed() {
        byte[] structured = RawClient.option(Nbd.OPT_STRUCTURED_REPLY, new byte[0]);
        byte[] context = RawClient.contextData(name, Nbd.CONTEXT_ALLOCATION);
        open(structured, RawClient.option(Nbd.OPT_SET_META_CONTEXT, context));
        assertTrue(handshake.isStructured());
        handshake.secured();
        send(RawClient.option(Nbd.OPT_GO, RawClient.goData(name)));
        assertFalse(handshake.isStructured());
        assertFalse(handshake.hasAllocationContext());
    }

    @Test
    void refusesEverythingElseBeforeTls() {
        beginWith(NbdHandshake.Tls.REQUIRED);
        byte[] go = RawClient.option(Nbd.OPT_GO, RawClient.goData(name));
        byte[] list = RawClient.option(Nbd.OPT_LIST, new byte[0]);
        byte[] endless = RawClient.option(99, new byte[NbdHandshake.LONGEST_OPTION + 1]);
        int refusal = Nbd.REP_ERR_TLS_REQD;
        assertEquals(List.of(refusal, refusal, refusal), types(open(go, list, endless)));
        byte[] withData = RawClient.option(Nbd.OPT_STARTTLS, new byte[3]);
        assertEquals(List.of(Nbd.REP_ERR_INVALID), types(send(withData)));
        byte[] exportName = RawClient.option(Nbd.OPT_EXPORT_NAME, text(name));
        assertArrayEquals(new byte[0], send(exportName));
        assertEquals(NbdHandshake.State.CLOSED, handshake.state());
    }

    @Test
    void tlsBeginsOnce() {
        beginWith(NbdHandshake.Tls.REQUIRED);
        byte[] start = RawClient.option(Nbd.OPT_STARTTLS, new byte[0]);
        open(start);
        handshake.secured();
        assertEquals(List.of(Nbd.REP_ERR_INVALID), types(send(start)));
        assertEquals(NbdHandshake.State.OPEN, handshake.state());
    }
}
