// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.quickstart;

import dev.varve.hv.nbd.NbdClient;
import dev.varve.vdi.time.Clock;

import java.io.IOException;
import java.net.URI;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/**
 * Writes a pattern to places all over a disk, and verifies it, as an NBD client.
 *
 * <pre>
 * size   ADDRESS                    prints the size of the disk in bytes
 * write  ADDRESS SEED SPAN BYTES    writes BYTES in pieces over the first SPAN bytes, and flushes
 * verify ADDRESS SEED SPAN BYTES    reads them, and that what follows each piece is zero
 * zeros  ADDRESS FROM TO            reads samples between the offsets, which must be zero
 * </pre>
 *
 * The last argument {@code --bar} draws progress on the error output. Ends with 1 and the reason
 * when something is not as it must be.
 */
public final class Pattern {
    private static final int PIECE_BYTES = 4 << 20;
    private static final int GAP_BYTES = 64 << 10;
    private static final int SAMPLES = 256;

    private final NbdClient disk;
    private final boolean bar;
    private final Clock clock = Clock.system();

    private Pattern(NbdClient disk, boolean bar) {
        this.disk = disk;
        this.bar = bar;
    }

    /** Runs one of the commands. */
    public static void main(String[] args) {
        List<String> words = new ArrayList<>(List.of(args));
        boolean bar = words.remove("--bar");
        try (NbdClient disk = NbdClient.connect(URI.create(words.get(1)))) {
            System.out.println(new Pattern(disk, bar).run(words));
        } catch (IOException e) {
            System.out.println(e.getMessage());
            System.exit(1);
        }
    }

    private String run(List<String> words) throws IOException {
        return switch (words.getFirst()) {
            case "size" -> Long.toString(disk.sizeBytes());
            case "write" -> write(pieces(words));
            case "verify" -> verify(pieces(words));
            case "zeros" -> zeros(Long.parseLong(words.get(2)), Long.parseLong(words.get(3)));
            default -> throw new IllegalArgumentException(words.getFirst());
        };
    }

    /** Pieces at equal distances. */
    private record Pieces(PatternBytes bytes, int count, long distance) {
        long offset(int piece) {
            return piece * distance;
        }

        long totalBytes() {
            return (long) count * PIECE_BYTES;
        }
    }

    private Pieces pieces(List<String> words) throws IOException {
        long span = Long.parseLong(words.get(3));
        int count = (int) (Long.parseLong(words.get(4)) / PIECE_BYTES);
        long distance = span / count / PIECE_BYTES * PIECE_BYTES;
        if (distance < 2 * PIECE_BYTES || span > disk.sizeBytes()) {
            throw new IOException("the pattern does not fit a disk of " + disk.sizeBytes());
        }
        return new Pieces(new PatternBytes(Long.parseLong(words.get(2))), count, distance);
    }

    private ProgressBar bar(String what) {
        return new ProgressBar(bar ? System.err : null, what);
    }

    private String write(Pieces pieces) throws IOException {
        long begin = clock.nanoTime();
        ProgressBar progress = bar("writing");
        ByteBuffer buffer = ByteBuffer.allocateDirect(PIECE_BYTES);
        for (int piece = 0; piece < pieces.count(); piece++) {
            progress.show(piece, pieces.count());
            pieces.bytes().fill(pieces.offset(piece), buffer.clear());
            disk.write(pieces.offset(piece), buffer);
        }
        disk.flush();
        progress.clear();
        return summary(pieces, begin);
    }

    private String verify(Pieces pieces) throws IOException {
        long begin = clock.nanoTime();
        ProgressBar progress = bar("verifying");
        ByteBuffer buffer = ByteBuffer.allocateDirect(PIECE_BYTES);
        for (int piece = 0; piece < pieces.count(); piece++) {
            progress.show(piece, pieces.count());
            long offset = pieces.offset(piece);
            disk.read(offset, buffer.clear());
            long wrong = pieces.bytes().firstDifference(offset, buffer.flip());
            if (wrong >= 0) {
                progress.clear();
                throw new IOException("offset " + wrong + " does not hold the pattern");
            }
            checkZero(offset + PIECE_BYTES, buffer);
        }
        progress.clear();
        return summary(pieces, begin);
    }

    private String zeros(long from, long to) throws IOException {
        ByteBuffer buffer = ByteBuffer.allocateDirect(GAP_BYTES);
        long distance = (to - from - GAP_BYTES) / (SAMPLES - 1) / 512 * 512;
        for (int sample = 0; sample < SAMPLES; sample++) {
            checkZero(from + sample * distance, buffer);
        }
        checkZero(to - GAP_BYTES, buffer);
        return SAMPLES + " samples";
    }

    private void checkZero(long offset, ByteBuffer buffer) throws IOException {
        disk.read(offset, buffer.clear().limit(GAP_BYTES));
        buffer.flip();
        while (buffer.hasRemaining()) {
            if (buffer.get() != 0) {
                long wrong = offset + buffer.position() - 1;
                throw new IOException("offset " + wrong + " was never written and is not zero");
            }
        }
    }

    private String summary(Pieces pieces, long begin) {
        double seconds = (clock.nanoTime() - begin) / 1e9;
        double mebibytes = pieces.totalBytes() / (double) (1 << 20);
        return String.format(
                Locale.ROOT,
                "%.0f MiB in %d places, %.1f s, %.0f MiB/s",
                mebibytes,
                pieces.count(),
                seconds,
                mebibytes / seconds);
    }
}
