// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.iscsi.lane;

import java.io.ByteArrayOutputStream;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * What tells a logical unit from every other one: the designators of VPD page 83h (SPC-4, 7.8.6)
 * that belong to the unit itself, not to the port through which it is asked.
 *
 * <table>
 * <caption>A designator</caption>
 * <tr><th>offset</th><th>bytes</th><th>meaning</th></tr>
 * <tr><td>0</td><td>1</td><td>bits 0 to 3: code set</td></tr>
 * <tr><td>1</td><td>1</td><td>bits 4 and 5: what it belongs to, 0 for the unit; bits 0 to 3: type</td>
 *     </tr>
 * <tr><td>3</td><td>1</td><td>bytes that follow</td></tr>
 * </table>
 */
final class UnitIdentity {
    private static final int PAGE_HEADER_BYTES = 4;
    private static final int DESIGNATOR_HEADER_BYTES = 4;
    private static final int ASSOCIATION = 0x30;

    private UnitIdentity() {}

    /** The designators of the unit in an answer of so many bytes, one after the other. */
    static byte[] of(MemorySegment page, int length) {
        ByteArrayOutputStream found = new ByteArrayOutputStream();
        int end = Math.min(length, length < PAGE_HEADER_BYTES ? 0 : pageEnd(page));
        int at = PAGE_HEADER_BYTES;
        while (at + DESIGNATOR_HEADER_BYTES <= end) {
            int bytes = DESIGNATOR_HEADER_BYTES + byteAt(page, at + 3);
            if ((byteAt(page, at + 1) & ASSOCIATION) == 0 && at + bytes <= end) {
                byte[] designator = page.asSlice(at, bytes).toArray(ValueLayout.JAVA_BYTE);
                found.write(designator, 0, designator.length);
            }
            at += bytes;
        }
        return found.toByteArray();
    }

    private static int pageEnd(MemorySegment page) {
        return PAGE_HEADER_BYTES + (byteAt(page, 2) << 8 | byteAt(page, 3));
    }

    private static int byteAt(MemorySegment page, int at) {
        return page.get(ValueLayout.JAVA_BYTE, at) & 0xFF;
    }
}
