// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.fuzz;

import com.code_intelligence.jazzer.junit.FuzzTest;

import dev.varve.vdi.transfer.TransferFormat;

import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.provider.MethodSource;

import java.util.Arrays;
import java.util.stream.Stream;

/** Any bytes as a VHD that comes in as a stream: it is imported, or refused with a reason. */
@Tag("fuzz")
class VhdStreamFuzzTest {
    static Stream<byte[]> streams() {
        byte[] dynamic = VhdBytes.dynamic(true);
        return Stream.of(
                VhdBytes.forFuzzer(0, dynamic),
                VhdBytes.forFuzzer(1, VhdBytes.dynamic(false)),
                VhdBytes.forFuzzer(0, Arrays.copyOf(dynamic, dynamic.length / 2)),
                VhdBytes.forFuzzer(0, VhdBytes.fixed()),
                new byte[0]);
    }

    @MethodSource("streams")
    @FuzzTest(maxDuration = "2m")
    void importsAStreamOrRefusesIt(byte[] input) {
        StreamTarget.importOrRefuse(TransferFormat.VHD, VhdBytes.repaired(input));
    }
}
