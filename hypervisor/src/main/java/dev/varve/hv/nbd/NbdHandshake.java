// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.nbd;

import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;

/**
 * The negotiation of a connection, from the greeting to the choice of an export: bytes in, bytes
 * out, no I/O.
 *
 * <p>What a client may do to it is bounded: the size of an option, the number of options, the size
 * of all answers.
 *
 * <p><b>Threads:</b> one at a time.
 */
public final class NbdHandshake {
    /** Finds exports. */
    public interface Exports {
        /** The export of this name; the empty name is the only export there is. */
        Optional<NbdExport> find(String name);

        /** The names of all exports; empty when clients are not told. */
        Optional<List<String>> names();
    }

    /** What is said to a client that asks for TLS. */
    public enum Tls {
        /** That the option is not known: the UNIX socket. */
        NOT_KNOWN,
        /** That it is not wanted here. */
        REFUSED,
        /** That it may begin; before that nothing else is answered. */
        REQUIRED
    }

    /** How far the negotiation is. */
    public enum State {
        /** It goes on. */
        OPEN,
        /** TLS begins once what is output has left: see {@link #secured}. */
        START_TLS,
        /** An export was chosen. */
        DONE,
        /** The client leaves, or does not speak the protocol: send what there is and close. */
        CLOSED
    }

    /** The longest option that is looked at, in bytes. */
    static final int LONGEST_OPTION = 8 << 10;

    private static final int LONGEST_SKIPPED = 1 << 20;
    private static final int MOST_OPTIONS = 256;
    private static final int LONGEST_NAME = 4096;
    private static final int LONGEST_ANSWER = 4 << 20;

    private final Exports exports;
    private final Tls tls;
    private final ByteArrayOutputStream out = new ByteArrayOutputStream(256);
    private State state = State.OPEN;
    private boolean secured;
    private boolean flagsSeen;
    private boolean noZeroes;
    private boolean structured;
    private String contextExport;
    private boolean allocationContext;
    private String dirtySnapshot;
    private long toSkip;
    private int skippedOption;
    private int options;
    private NbdExport chosen;

    /** Begins with the greeting, which is output to take. */
    public NbdHandshake(Exports exports, Tls tls) {
        this.exports = exports;
        this.tls = tls;
        putLong(Nbd.MAGIC);
        putLong(Nbd.OPTION_MAGIC);
        putShort(Nbd.FLAG_FIXED_NEWSTYLE | Nbd.FLAG_NO_ZEROES);
    }

    /** How far it is. */
    public State state() {
        return state;
    }

    /** The chosen export, when the state is DONE. */
    public NbdExport export() {
        return chosen;
    }

    /** Whether answers may be structured. */
    boolean isStructured() {
        return structured;
    }

    /** Whether the client may ask for block status. */
    boolean hasAllocationContext() {
        return allocationContext && chosen != null && chosen.name().equals(contextExport);
    }

    /** Since which snapshot the client may ask for changed blocks. */
    Optional<String> dirtySnapshot() {
        return chosen != null && chosen.name().equals(contextExport)
                ? Optional.ofNullable(dirtySnapshot)
                : Optional.empty();
    }

    /** Takes what is to be sent. */
    public byte[] takeOutput() {
        byte[] bytes = out.toByteArray();
        out.reset();
        return bytes;
    }

    /**
     * The connection is protected from here on. What was agreed before is forgotten: somebody
     * between the client and this server may have said it.
     */
    public void secured() {
        state = State.OPEN;
        secured = true;
        structured = false;
        contextExport = null;
        allocationContext = false;
        dirtySnapshot = null;
    }

    private boolean needsTls() {
        return tls == Tls.REQUIRED && !secured;
    }

    /**
     * Takes as many whole messages from the input as there are, up to the choice of an export or
     * the beginning of TLS. What is left is the beginning of the next message.
     */
    public void accept(ByteBuffer in) {
        while (state == State.OPEN && step(in)) {
            if (out.size() > LONGEST_ANSWER) {
                state = State.CLOSED;
            }
        }
    }

    private boolean step(ByteBuffer in) {
        if (toSkip > 0) {
            return skip(in);
        }
        if (!flagsSeen) {
            return clientFlags(in);
        }
        if (in.remaining() < Nbd.OPTION_HEADER_BYTES) {
            return false;
        }
        int start = in.position();
        if (in.getLong(start) != Nbd.OPTION_MAGIC || ++options > MOST_OPTIONS) {
            state = State.CLOSED;
            return false;
        }
        int option = in.getInt(start + 8);
        long length = Integer.toUnsignedLong(in.getInt(start + 12));
        if (length > LONGEST_OPTION) {
            return beginSkip(in, option, length);
        }
        if (in.remaining() < Nbd.OPTION_HEADER_BYTES + length) {
            options--;
            return false;
        }
        byte[] data = new byte[(int) length];
        in.position(start + Nbd.OPTION_HEADER_BYTES);
        in.get(data);
        option(option, data);
        return true;
    }

    private boolean clientFlags(ByteBuffer in) {
        if (in.remaining() < 4) {
            return false;
        }
        int flags = in.getInt();
        flagsSeen = true;
        noZeroes = (flags & Nbd.FLAG_NO_ZEROES) != 0;
        boolean known = (flags & ~(Nbd.FLAG_FIXED_NEWSTYLE | Nbd.FLAG_NO_ZEROES)) == 0;
        if (!known) {
            state = State.CLOSED;
        }
        return known;
    }

    private boolean beginSkip(ByteBuffer in, int option, long length) {
        if (length > LONGEST_SKIPPED || option == Nbd.OPT_EXPORT_NAME) {
            state = State.CLOSED;
            return false;
        }
        in.position(in.position() + Nbd.OPTION_HEADER_BYTES);
        toSkip = length;
        skippedOption = option;
        return true;
    }

    private boolean skip(ByteBuffer in) {
        int count = (int) Math.min(toSkip, in.remaining());
        in.position(in.position() + count);
        toSkip -= count;
        if (toSkip == 0 && needsTls()) {
            tlsRequired(skippedOption);
        } else if (toSkip == 0) {
            error(
                    skippedOption,
                    Nbd.REP_ERR_TOO_BIG,
                    "the option is longer than " + LONGEST_OPTION);
        }
        return toSkip == 0;
    }

    private void option(int option, byte[] data) {
        boolean allowed = option == Nbd.OPT_STARTTLS || option == Nbd.OPT_ABORT;
        if (needsTls() && !allowed) {
            tlsRequired(option);
            return;
        }
        switch (option) {
            case Nbd.OPT_EXPORT_NAME -> exportName(data);
            case Nbd.OPT_ABORT -> {
                reply(option, Nbd.REP_ACK, new byte[0]);
                state = State.CLOSED;
            }
            case Nbd.OPT_LIST -> list(data);
            case Nbd.OPT_STARTTLS -> startTls(data);
            case Nbd.OPT_INFO, Nbd.OPT_GO -> info(option, data);
            case Nbd.OPT_STRUCTURED_REPLY -> structuredReply(data);
            case Nbd.OPT_LIST_META_CONTEXT, Nbd.OPT_SET_META_CONTEXT -> metaContext(option, data);
            default -> error(option, Nbd.REP_ERR_UNSUP, "the option " + option + " is not known");
        }
    }

    /** The old way to choose an export has no answer but the end. */
    private void tlsRequired(int option) {
        if (option == Nbd.OPT_EXPORT_NAME) {
            state = State.CLOSED;
        } else {
            error(option, Nbd.REP_ERR_TLS_REQD, "TLS has to begin first");
        }
    }

    private void startTls(byte[] data) {
        int option = Nbd.OPT_STARTTLS;
        if (tls == Tls.NOT_KNOWN) {
            error(option, Nbd.REP_ERR_UNSUP, "the option " + option + " is not known");
        } else if (tls == Tls.REFUSED) {
            error(option, Nbd.REP_ERR_POLICY, "there is no TLS at this address");
        } else if (secured) {
            error(option, Nbd.REP_ERR_INVALID, "TLS has begun already");
        } else if (data.length != 0) {
            error(option, Nbd.REP_ERR_INVALID, "the option takes no data");
        } else {
            reply(option, Nbd.REP_ACK, new byte[0]);
            state = State.START_TLS;
        }
    }

    /** The old way to choose: there is no way to refuse but to close. */
    private void exportName(byte[] data) {
        Optional<NbdExport> found = find(data);
        if (found.isEmpty()) {
            state = State.CLOSED;
            return;
        }
        choose(found.get());
        putLong(chosen.sizeBytes());
        putShort(chosen.flags());
        if (!noZeroes) {
            out.writeBytes(new byte[124]);
        }
    }

    private void choose(NbdExport export) {
        chosen = export;
        state = State.DONE;
    }

    private Optional<NbdExport> find(byte[] name) {
        return name.length > LONGEST_NAME
                ? Optional.empty()
                : exports.find(new String(name, StandardCharsets.UTF_8));
    }

    private void list(byte[] data) {
        if (data.length != 0) {
            error(Nbd.OPT_LIST, Nbd.REP_ERR_INVALID, "a list takes no data");
            return;
        }
        Optional<List<String>> names = exports.names();
        if (names.isEmpty()) {
            error(Nbd.OPT_LIST, Nbd.REP_ERR_POLICY, "the exports are not listed here");
            return;
        }
        for (String name : names.get()) {
            byte[] bytes = name.getBytes(StandardCharsets.UTF_8);
            ByteBuffer entry = ByteBuffer.allocate(4 + bytes.length);
            entry.putInt(bytes.length).put(bytes);
            reply(Nbd.OPT_LIST, Nbd.REP_SERVER, entry.array());
        }
        reply(Nbd.OPT_LIST, Nbd.REP_ACK, new byte[0]);
    }

    /** Data: length of the name, name, number of information requests, their types. */
    private void info(int option, byte[] data) {
        ByteBuffer in = ByteBuffer.wrap(data);
        byte[] name = takeString(in);
        if (name == null || in.remaining() < 2 || in.remaining() != 2 + 2 * unsignedShort(in)) {
            error(option, Nbd.REP_ERR_INVALID, "the option's lengths do not agree");
            return;
        }
        Optional<NbdExport> found = find(name);
        if (found.isEmpty()) {
            error(option, Nbd.REP_ERR_UNKNOWN, "there is no attached disk of this name");
            return;
        }
        NbdExport export = found.get();
        ByteBuffer size = ByteBuffer.allocate(12);
        size.putShort((short) Nbd.INFO_EXPORT);
        size.putLong(export.sizeBytes()).putShort((short) export.flags());
        reply(option, Nbd.REP_INFO, size.array());
        ByteBuffer blocks = ByteBuffer.allocate(14);
        blocks.putShort((short) Nbd.INFO_BLOCK_SIZE);
        blocks.putInt(Nbd.MINIMUM_BLOCK_BYTES).putInt(Nbd.PREFERRED_BLOCK_BYTES);
        blocks.putInt(Nbd.MAXIMUM_PAYLOAD_BYTES);
        reply(option, Nbd.REP_INFO, blocks.array());
        reply(option, Nbd.REP_ACK, new byte[0]);
        if (option == Nbd.OPT_GO) {
            choose(export);
        }
    }

    private static int unsignedShort(ByteBuffer in) {
        return Short.toUnsignedInt(in.getShort(in.position()));
    }

    /** A string with its 32-bit length before it, or null when the input is too short. */
    private static byte[] takeString(ByteBuffer in) {
        if (in.remaining() < 4) {
            return null;
        }
        int length = in.getInt();
        if (length < 0 || length > in.remaining()) {
            return null;
        }
        byte[] bytes = new byte[length];
        in.get(bytes);
        return bytes;
    }

    private void structuredReply(byte[] data) {
        if (data.length != 0) {
            error(Nbd.OPT_STRUCTURED_REPLY, Nbd.REP_ERR_INVALID, "the option takes no data");
            return;
        }
        structured = true;
        reply(Nbd.OPT_STRUCTURED_REPLY, Nbd.REP_ACK, new byte[0]);
    }

    /** Data: length of the export's name, name, number of queries, queries with their lengths. */
    private void metaContext(int option, byte[] data) {
        if (option == Nbd.OPT_SET_META_CONTEXT) {
            allocationContext = false; // what was set before is forgotten, also when this one fails
            dirtySnapshot = null;
        }
        ByteBuffer in = ByteBuffer.wrap(data);
        byte[] name = takeString(in);
        List<String> queries = name == null ? null : queries(in);
        if (queries == null || (option == Nbd.OPT_SET_META_CONTEXT && !structured)) {
            error(option, Nbd.REP_ERR_INVALID, "the option's lengths or its place are not right");
            return;
        }
        Optional<NbdExport> found = find(name);
        if (found.isEmpty()) {
            error(option, Nbd.REP_ERR_UNKNOWN, "there is no attached disk of this name");
            return;
        }
        if (option == Nbd.OPT_SET_META_CONTEXT) {
            contextExport = found.get().name();
            setContexts(found.get(), queries);
        } else {
            listContexts(found.get(), queries);
        }
        reply(option, Nbd.REP_ACK, new byte[0]);
    }

    private void setContexts(NbdExport export, List<String> queries) {
        if (queries.contains(Nbd.CONTEXT_ALLOCATION)) {
            allocationContext = true;
            context(Nbd.OPT_SET_META_CONTEXT, Nbd.CONTEXT_ALLOCATION_ID, Nbd.CONTEXT_ALLOCATION);
        }
        for (String query : queries) {
            Optional<String> snapshot = snapshot(query, export);
            if (snapshot.isPresent() && dirtySnapshot == null) {
                dirtySnapshot = snapshot.get();
                context(Nbd.OPT_SET_META_CONTEXT, DirtyContext.ID, query);
            }
        }
    }

    /** The snapshot that a query names, if the disk can be compared with it. */
    private static Optional<String> snapshot(String query, NbdExport export) {
        return Stream.of(DirtyContext.QEMU, DirtyContext.VARVE)
                .filter(query::startsWith)
                .map(prefix -> query.substring(prefix.length()))
                .filter(export.bitmaps().snapshots()::contains)
                .findFirst();
    }

    private void listContexts(NbdExport export, List<String> queries) {
        List<String> all = new ArrayList<>(List.of(Nbd.CONTEXT_ALLOCATION));
        for (String prefix : List.of(DirtyContext.QEMU, DirtyContext.VARVE)) {
            export.bitmaps().snapshots().forEach(snapshot -> all.add(prefix + snapshot));
        }
        all.stream()
                .filter(context -> queries.isEmpty() || isAsked(context, queries))
                .forEach(context -> context(Nbd.OPT_LIST_META_CONTEXT, 0, context));
    }

    /** A query that ends with a colon stands for all that begins so. */
    private static boolean isAsked(String context, List<String> queries) {
        return queries.stream()
                .anyMatch(
                        query ->
                                query.endsWith(":")
                                        ? context.startsWith(query)
                                        : context.equals(query));
    }

    private void context(int option, int id, String name) {
        byte[] context = name.getBytes(StandardCharsets.UTF_8);
        reply(
                option,
                Nbd.REP_META_CONTEXT,
                ByteBuffer.allocate(4 + context.length).putInt(id).put(context).array());
    }

    private static List<String> queries(ByteBuffer in) {
        if (in.remaining() < 4) {
            return null;
        }
        int count = in.getInt();
        List<String> queries = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            byte[] query = takeString(in);
            if (query == null) {
                return null;
            }
            queries.add(new String(query, StandardCharsets.UTF_8));
        }
        return count < 0 || in.hasRemaining() ? null : queries;
    }

    private void error(int option, int type, String message) {
        reply(option, type, message.getBytes(StandardCharsets.UTF_8));
    }

    private void reply(int option, int type, byte[] data) {
        putLong(Nbd.OPTION_REPLY_MAGIC);
        putInt(option);
        putInt(type);
        putInt(data.length);
        out.writeBytes(data);
    }

    private void putLong(long value) {
        putInt((int) (value >>> 32));
        putInt((int) value);
    }

    private void putInt(int value) {
        putShort(value >>> 16);
        putShort(value);
    }

    private void putShort(int value) {
        out.write(value >>> 8);
        out.write(value);
    }
}
