// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.disk;

import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.image.ImagePatch;
import dev.varve.vdi.image.ImageRole;
import dev.varve.vdi.image.ParentLink;
import dev.varve.vdi.store.VolumeChange;
import dev.varve.vdi.store.VolumeId;
import dev.varve.vdi.store.VolumeKind;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.UUID;
import java.util.zip.CRC32C;

/**
 * A change of an image's role together with a commit of the store, written down before either
 * begins, so that a crash between any two of its sectors leaves something that can be finished. It
 * is the content of a volume of kind {@link VolumeKind#JOURNAL}; that the volume has this kind says
 * that all of it is durable.
 *
 * <table>
 * <caption>the volume, big-endian; the body begins at 512</caption>
 * <tr><th>offset</th><th>size</th><th>meaning</th></tr>
 * <tr><td>0</td><td>8</td><td>{@code varvplan}</td></tr>
 * <tr><td>8</td><td>4</td><td>version: 1</td></tr>
 * <tr><td>12</td><td>4</td><td>length of the body in bytes</td></tr>
 * <tr><td>16</td><td>4</td><td>CRC-32C of the body</td></tr>
 * </table>
 *
 * <table>
 * <caption>the body; an <i>id</i> is a kind in ASCII with its length before it (2 bytes), and a UUID
 * (16)</caption>
 * <tr><th>field</th><th>meaning</th></tr>
 * <tr><td>id</td><td>the image whose role changes</td></tr>
 * <tr><td>UUID, 1, 4</td><td>its role: the image's UUID, whether it is hidden, how many names its
 * parent has; then the UUID of the parent and the names, each with its length before it</td></tr>
 * <tr><td>4</td><td>how many patches; of each the offset (8), the length (4) and the bytes</td></tr>
 * <tr><td>4</td><td>how many names change; of each the id from and the id to</td></tr>
 * </table>
 *
 * @param image the image whose role changes
 * @param role what it is afterwards
 * @param patches what makes it so, for an image that cannot be read because only a part of them was
 *     written
 * @param renames the names that change afterwards
 */
record PlanJournal(
        VolumeId image,
        ImageRole role,
        List<ImagePatch> patches,
        List<VolumeChange.Rename> renames) {
    static final int SECTOR = 512;
    private static final long COOKIE = 0x76617276706C616EL;
    private static final int VERSION = 1;

    /** No volume has larger blocks. */
    private static final int PAGE = 4096;

    private static final int MOST_BYTES = 1 << 20;

    PlanJournal {
        patches = List.copyOf(patches);
        renames = List.copyOf(renames);
    }

    /** The content of the volume, in whole pages: some volumes consist of blocks of that size. */
    byte[] encode() {
        byte[] body = body();
        byte[] bytes = new byte[pages(body.length)];
        ByteBuffer.wrap(bytes)
                .putLong(COOKIE)
                .putInt(VERSION)
                .putInt(body.length)
                .putInt(checksum(body));
        System.arraycopy(body, 0, bytes, SECTOR, body.length);
        return bytes;
    }

    private static int checksum(byte[] body) {
        CRC32C checksum = new CRC32C();
        checksum.update(body);
        return (int) checksum.getValue();
    }

    private byte[] body() {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        try (DataOutputStream out = new DataOutputStream(bytes)) {
            write(out, image);
            write(out, role.uuid());
            out.writeBoolean(role.hidden());
            List<String> names = role.parent().map(ParentLink::names).orElse(List.of());
            out.writeInt(names.size());
            if (role.parent().isPresent()) {
                write(out, role.parent().get().imageUuid());
            }
            for (String name : names) {
                write(out, name.getBytes(StandardCharsets.UTF_8));
            }
            out.writeInt(patches.size());
            for (ImagePatch patch : patches) {
                out.writeLong(patch.offset());
                write(out, patch.bytes());
            }
            out.writeInt(renames.size());
            for (VolumeChange.Rename rename : renames) {
                write(out, rename.from());
                write(out, rename.to());
            }
        } catch (IOException e) {
            throw new IllegalStateException("an array can be written to", e);
        }
        return bytes.toByteArray();
    }

    private static void write(DataOutputStream out, UUID uuid) throws IOException {
        out.writeLong(uuid.getMostSignificantBits());
        out.writeLong(uuid.getLeastSignificantBits());
    }

    private static void write(DataOutputStream out, VolumeId id) throws IOException {
        byte[] kind = id.kind().name().getBytes(StandardCharsets.US_ASCII);
        out.writeShort(kind.length);
        out.write(kind);
        write(out, id.uuid());
    }

    private static void write(DataOutputStream out, byte[] bytes) throws IOException {
        out.writeInt(bytes.length);
        out.write(bytes);
    }

    /** How many bytes a journal has that begins with this sector; at most 1 MiB are believed. */
    static int length(byte[] sector, VolumeId journal) {
        ByteBuffer in = ByteBuffer.wrap(sector);
        int length = in.getInt(12);
        if (in.getLong(0) != COOKIE
                || in.getInt(8) != VERSION
                || length < 0
                || length > MOST_BYTES) {
            throw damaged(journal, "it does not begin like one", null);
        }
        return pages(length);
    }

    private static int pages(int bodyBytes) {
        return (SECTOR + bodyBytes + PAGE - 1) / PAGE * PAGE;
    }

    /**
     * Reads the content of a volume.
     *
     * @param journal the volume, for messages
     * @throws dev.varve.vdi.StorageException SR_METADATA when it is damaged
     */
    static PlanJournal decode(byte[] bytes, VolumeId journal) {
        int length = ByteBuffer.wrap(bytes).getInt(12);
        byte[] body = Arrays.copyOfRange(bytes, SECTOR, SECTOR + length);
        if (checksum(body) != ByteBuffer.wrap(bytes).getInt(16)) {
            throw damaged(journal, "its checksum is wrong", null);
        }
        try (DataInputStream in = new DataInputStream(new ByteArrayInputStream(body))) {
            return read(in);
        } catch (IOException | IllegalArgumentException e) {
            throw damaged(journal, "it ends too early or says what cannot be", e);
        }
    }

    private static RuntimeException damaged(VolumeId journal, String what, Exception cause) {
        return ErrorCode.SR_METADATA.because(
                "the journal "
                        + journal
                        + " is damaged: "
                        + what
                        + "; look at the images that the scan complains of before it is removed",
                cause);
    }

    private static PlanJournal read(DataInputStream in) throws IOException {
        VolumeId image = readId(in);
        UUID uuid = readUuid(in);
        boolean hidden = in.readBoolean();
        int names = count(in.readInt());
        Optional<ParentLink> parent = Optional.empty();
        if (names > 0) {
            UUID parentUuid = readUuid(in);
            List<String> all = new ArrayList<>();
            for (int i = 0; i < names; i++) {
                all.add(new String(readBytes(in), StandardCharsets.UTF_8));
            }
            parent = Optional.of(new ParentLink(all, parentUuid));
        }
        List<ImagePatch> patches = new ArrayList<>();
        for (int i = count(in.readInt()); i > 0; i--) {
            patches.add(new ImagePatch(in.readLong(), readBytes(in)));
        }
        List<VolumeChange.Rename> renames = new ArrayList<>();
        for (int i = count(in.readInt()); i > 0; i--) {
            renames.add(new VolumeChange.Rename(readId(in), readId(in)));
        }
        return new PlanJournal(image, new ImageRole(uuid, hidden, parent), patches, renames);
    }

    private static int count(int count) {
        if (count < 0 || count > MOST_BYTES) {
            throw new IllegalArgumentException("a count of " + count);
        }
        return count;
    }

    private static UUID readUuid(DataInputStream in) throws IOException {
        return new UUID(in.readLong(), in.readLong());
    }

    private static VolumeId readId(DataInputStream in) throws IOException {
        byte[] kind = new byte[in.readUnsignedShort()];
        in.readFully(kind);
        return new VolumeId(
                VolumeKind.valueOf(new String(kind, StandardCharsets.US_ASCII)), readUuid(in));
    }

    private static byte[] readBytes(DataInputStream in) throws IOException {
        byte[] bytes = new byte[count(in.readInt())];
        in.readFully(bytes);
        return bytes;
    }
}
