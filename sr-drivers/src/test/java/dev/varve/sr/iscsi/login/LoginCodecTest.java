// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.iscsi.login;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.varve.sr.iscsi.Isid;
import dev.varve.sr.iscsi.pdu.BasicHeader;

import org.junit.jupiter.api.Test;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Random;

class LoginCodecTest {
    private static final byte[] KEYS = "AuthMethod=None\0".getBytes(StandardCharsets.UTF_8);

    /** All bytes of an ISID arrive, those over 7F as well. */
    @Test
    void loginRequestsAreThoseOfTheStandard() {
        LoginRequest request =
                new LoginRequest(
                        true, 0, 1, new Isid(0xFEDCBA, 0x9876).bits(), 0x01020304, 5, 6, KEYS);
        byte[] bytes = LoginCodec.encode(request);
        ByteBuffer header = ByteBuffer.wrap(bytes);
        assertEquals(0x43, bytes[0]); // immediate login
        assertEquals((byte) 0x81, bytes[1]); // transit from security to operational
        assertEquals(KEYS.length, header.getInt(4));
        assertEquals(0x80FE_DCBA_9876_0000L, header.getLong(8)); // and TSIH 0
        assertEquals(0x01020304, header.getInt(16));
        assertEquals(0, header.getShort(20));
        assertEquals(5, header.getInt(24));
        assertEquals(6, header.getInt(28));
        assertArrayEquals(KEYS, Arrays.copyOfRange(bytes, BasicHeader.BYTES, bytes.length));
    }

    /** The codec of jSCSI has opinions on fields; none of them may be more than a refusal. */
    @Test
    void anyAnswerIsReadOrRefused() {
        Random random = new Random(11);
        int read = 0;
        for (int round = 0; round < 5_000; round++) {
            byte[] header = new byte[BasicHeader.BYTES];
            if (random.nextInt(4) == 0) {
                random.nextBytes(header);
            } else {
                header[random.nextInt(BasicHeader.BYTES)] = (byte) random.nextInt();
                header[random.nextInt(BasicHeader.BYTES)] = (byte) random.nextInt();
            }
            boolean text = random.nextBoolean();
            header[0] = (byte) (text ? 0x24 : 0x23);
            byte[] data = random.nextBoolean() ? KEYS : new byte[0];
            ByteBuffer.wrap(header).putInt(4, data.length); // as the channel has it
            read += isRead(text, header, data) ? 1 : 0;
        }
        assertTrue(read > 250, "only " + read + " were read");
    }

    private static boolean isRead(boolean text, byte[] header, byte[] data) {
        try {
            if (text) {
                LoginCodec.decodeText(header, data);
            } else {
                LoginCodec.decodeLogin(header, data);
            }
            return true;
        } catch (LoginProtocolException e) {
            return false;
        }
    }
}
