// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.ffi;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;

/**
 * What the file system knows about a file. The library of the platform does not tell how much space
 * a sparse file takes, so this asks {@code statx(2)}.
 *
 * <p>The fields used of {@code struct statx}, in the byte order of the machine; it is the same on
 * all architectures and 256 bytes long:
 *
 * <table>
 * <caption>struct statx</caption>
 * <tr><th>offset</th><th>size</th><th>field</th><th>meaning</th></tr>
 * <tr><td>0</td><td>4</td><td>stx_mask</td><td>which fields are filled in</td></tr>
 * <tr><td>4</td><td>4</td><td>stx_blksize</td><td>the preferred unit of I/O</td></tr>
 * <tr><td>16</td><td>4</td><td>stx_nlink</td><td>how many names the file has</td></tr>
 * <tr><td>28</td><td>2</td><td>stx_mode</td><td>type (upper four bits) and permissions</td></tr>
 * <tr><td>32</td><td>8</td><td>stx_ino</td><td>the number of the inode</td></tr>
 * <tr><td>40</td><td>8</td><td>stx_size</td><td>bytes that can be addressed</td></tr>
 * <tr><td>48</td><td>8</td><td>stx_blocks</td><td>space taken, in units of 512 bytes</td></tr>
 * <tr><td>136</td><td>4</td><td>stx_dev_major</td><td>the device of the file system</td></tr>
 * <tr><td>140</td><td>4</td><td>stx_dev_minor</td><td>the same</td></tr>
 * <tr><td>156</td><td>4</td><td>stx_dio_offset_align</td><td>the unit of direct I/O</td></tr>
 * </table>
 *
 * @param error 0, or the negated error number; the other values are 0 then
 * @param mode type and permissions, as in {@code stat(2)}
 * @param links how many names it has
 * @param device major number in the upper, minor number in the lower half
 * @param inode the number of the inode
 * @param sizeBytes how many bytes can be addressed in it
 * @param allocatedBytes how much space it takes
 * @param directBytes what offsets of direct I/O have to be multiples of; 0 when that is not known
 *     or there is no direct I/O
 */
public record FileStatus(
        int error,
        int mode,
        int links,
        long device,
        long inode,
        long sizeBytes,
        long allocatedBytes,
        int directBytes) {
    static final int BYTES = 256;

    /** STATX_BASIC_STATS: everything in the table. */
    static final int BASIC_FIELDS = 0x7FF;

    /** The bit of the mask for the alignment of direct I/O, STATX_DIOALIGN. */
    static final int DIRECT_FIELDS = 0x2000;

    static final int MASK = 0;
    static final int LINKS = 16;
    static final int MODE = 28;
    static final int INODE = 32;
    static final int SIZE = 40;
    static final int BLOCKS = 48;
    static final int DEVICE_MAJOR = 136;
    static final int DEVICE_MINOR = 140;
    static final int DIRECT = 156;

    private static final int BLOCK_BYTES = 512;
    private static final int TYPE_MASK = 0170000;
    private static final int TYPE_REGULAR = 0100000;
    private static final int TYPE_DIRECTORY = 0040000;

    /**
     * Asks about a path.
     *
     * @param follow whether a symbolic link stands for what it points to
     */
    public static FileStatus of(Path path, boolean follow) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment struct = arena.allocate(BYTES, 8);
            int result = Libc.statx(path.toString(), follow, struct);
            return result < 0 ? new FileStatus(result, 0, 0, 0, 0, 0, 0, 0) : parse(struct);
        }
    }

    /** Reads the structure. */
    static FileStatus parse(MemorySegment struct) {
        long major = Integer.toUnsignedLong(struct.get(ValueLayout.JAVA_INT, DEVICE_MAJOR));
        long minor = Integer.toUnsignedLong(struct.get(ValueLayout.JAVA_INT, DEVICE_MINOR));
        boolean direct = (struct.get(ValueLayout.JAVA_INT, MASK) & DIRECT_FIELDS) != 0;
        return new FileStatus(
                0,
                Short.toUnsignedInt(struct.get(ValueLayout.JAVA_SHORT, MODE)),
                struct.get(ValueLayout.JAVA_INT, LINKS),
                major << Integer.SIZE | minor,
                struct.get(ValueLayout.JAVA_LONG, INODE),
                struct.get(ValueLayout.JAVA_LONG, SIZE),
                struct.get(ValueLayout.JAVA_LONG, BLOCKS) * BLOCK_BYTES,
                direct ? struct.get(ValueLayout.JAVA_INT, DIRECT) : 0);
    }

    /** Whether it is there and a regular file. */
    public boolean isRegular() {
        return (mode & TYPE_MASK) == TYPE_REGULAR;
    }

    /** Whether it is there and a directory. */
    public boolean isDirectory() {
        return (mode & TYPE_MASK) == TYPE_DIRECTORY;
    }
}
