// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.varve.vdi.time.TestClock;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

import java.util.ArrayList;
import java.util.Collections;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.TimeUnit;

class OperationTest {
    private static final long SECOND = TimeUnit.SECONDS.toNanos(1);

    private final TestClock clock = TestClock.standing();

    @Test
    void progressNeverGoesBackOrPastTheEnd() {
        Operation operation = Operation.unbounded("copy", clock);
        assertEquals(0, operation.progress());
        operation.progress(0.5);
        operation.progress(0.25);
        assertEquals(0.5, operation.progress());
        operation.progress(3, 4);
        assertEquals(0.75, operation.progress());
        operation.progress(7);
        assertEquals(1, operation.progress());
        Operation empty = Operation.unbounded("nothing", clock);
        empty.progress(0, 0);
        assertEquals(1, empty.progress());
        assertEquals("copy", operation.label());
    }

    @Test
    void tellsWhenItWillBeDone() {
        Operation operation = Operation.unbounded("copy", clock);
        assertEquals(-1, operation.etaSeconds());
        clock.skip(30 * SECOND);
        assertEquals(-1, operation.etaSeconds());
        operation.progress(0.25);
        assertEquals(90, operation.etaSeconds());
        operation.progress(1);
        assertEquals(0, operation.etaSeconds());
    }

    @Test
    void endsWhenItWasCancelled() {
        Operation operation = Operation.unbounded("copy", clock);
        operation.checkpoint();
        assertFalse(operation.isCancelled());
        operation.cancel();
        assertTrue(operation.isCancelled());
        StorageException ended = assertThrows(StorageException.class, operation::checkpoint);
        assertEquals(ErrorCode.TASK_CANCELLED, ended.code());
        assertEquals(List.of("copy"), ended.params());
    }

    @Test
    void endsAtItsDeadline() {
        Operation operation = Operation.within("copy", clock, 5, TimeUnit.SECONDS);
        assertEquals(5 * SECOND, operation.remainingNanos());
        clock.skip(5 * SECOND - 1);
        operation.checkpoint();
        clock.skip(1);
        assertEquals(0, operation.remainingNanos());
        StorageException ended = assertThrows(StorageException.class, operation::checkpoint);
        assertEquals(ErrorCode.OPERATION_TIMED_OUT, ended.code());
        assertEquals(List.of("copy", "5"), ended.params());
        assertEquals(Long.MAX_VALUE, Operation.unbounded("other", clock).remainingNanos());
    }

    @Test
    void pausesToKeepToItsPace() {
        Operation operation = Operation.unbounded("copy", clock);
        operation.progress(1 << 20, 1 << 30);
        assertEquals(0, operation.pauseNanos());
        operation.limit(1 << 20);
        assertEquals(SECOND, operation.pauseNanos());
        clock.skip(SECOND / 4);
        assertEquals(3 * SECOND / 4, operation.pauseNanos());
        clock.skip(SECOND);
        assertEquals(0, operation.pauseNanos());
        operation.limit(0);
        assertEquals(0, operation.pauseNanos());
    }

    @ParameterizedTest
    @EnumSource(ErrorCode.class)
    void errorsTakeExactlyTheirParameters(ErrorCode code) {
        List<String> params =
                new ArrayList<>(Collections.nCopies(code.parameters().size(), "value"));
        StorageException error = new StorageException(code, params, null);
        assertEquals(params, error.params());
        assertTrue(error.getMessage().startsWith(code.wireName()), error.getMessage());
        params.add("one more");
        assertThrows(
                IllegalArgumentException.class, () -> new StorageException(code, params, null));
        if (code.isBackendFailure()) {
            assertEquals("why", code.because("why").sentence());
            assertEquals(List.of("", "why", ""), code.because("why").params());
        } else {
            assertThrows(IllegalArgumentException.class, () -> code.because("why"));
            assertEquals(code.meaning(), error.sentence());
        }
        assertTrue(code.meaning().endsWith("."));
    }

    @Test
    void errorsHaveNamesOfTheirOwn() {
        Set<String> names = new HashSet<>();
        for (ErrorCode code : ErrorCode.values()) {
            assertTrue(names.add(code.wireName()), code.wireName());
        }
    }
}
