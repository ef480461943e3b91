// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.fuzz;

import java.io.ByteArrayOutputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;

/** What a client says, with the numbers of the protocol written out once more. */
final class NbdMessages {
    static final int READ = 0;
    static final int WRITE = 1;
    static final int DISCONNECT = 2;
    static final int OPTION_LIST = 3;
    static final int OPTION_STARTTLS = 5;
    static final int OPTION_INFO = 6;
    static final int OPTION_GO = 7;
    static final int OPTION_STRUCTURED = 8;
    static final int OPTION_SET_CONTEXT = 10;
    static final String ALLOCATION = "base:allocation";

    private static final long OPTION_MAGIC = 0x4948_4156_454F_5054L;
    private static final int REQUEST_MAGIC = 0x2560_9513;

    private final ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    private final DataOutputStream out = new DataOutputStream(bytes);

    byte[] toByteArray() {
        return bytes.toByteArray();
    }

    NbdMessages flags(int flags) {
        return put(() -> out.writeInt(flags));
    }

    NbdMessages raw(byte[] data) {
        return put(() -> out.write(data));
    }

    NbdMessages option(int option, byte[] data) {
        return put(
                () -> {
                    out.writeLong(OPTION_MAGIC);
                    out.writeInt(option);
                    out.writeInt(data.length);
                    out.write(data);
                });
    }

    /** Data of INFO and GO. */
    static byte[] choice(String name) {
        NbdMessages data = new NbdMessages().text(name);
        return data.put(() -> data.out.writeShort(0)).toByteArray();
    }

    /** Data of the options about contexts. */
    static byte[] contexts(String name, String... queries) {
        NbdMessages data = new NbdMessages().text(name).flags(queries.length);
        for (String query : queries) {
            data.text(query);
        }
        return data.toByteArray();
    }

    private NbdMessages text(String text) {
        byte[] utf8 = text.getBytes(StandardCharsets.UTF_8);
        return flags(utf8.length).raw(utf8);
    }

    NbdMessages request(int flags, int command, long cookie, long offset, int length) {
        return put(
                () -> {
                    out.writeInt(REQUEST_MAGIC);
                    out.writeShort(flags);
                    out.writeShort(command);
                    out.writeLong(cookie);
                    out.writeLong(offset);
                    out.writeInt(length);
                });
    }

    private interface Writing {
        void run() throws IOException;
    }

    private NbdMessages put(Writing writing) {
        try {
            writing.run();
            return this;
        } catch (IOException e) {
            throw new UncheckedIOException("an array in memory takes all bytes", e);
        }
    }
}
