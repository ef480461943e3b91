// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.fuzz;

import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.code_intelligence.jazzer.junit.FuzzTest;

import dev.varve.hv.xenapi.MalformedCallException;
import dev.varve.hv.xenapi.XmlCall;

import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.provider.MethodSource;

import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;

/**
 * Any bytes as a call: refused as malformed, or understood as values of the few kinds there are.
 */
@Tag("fuzz")
class XmlCallFuzzTest {
    static Stream<byte[]> calls() {
        return Stream.of(
                        "<methodCall><methodName>a</methodName><params/></methodCall>",
                        """
                        <?xml version='1.0'?>
                        <methodCall>
                        <methodName>VDI.create</methodName>
                        <params>
                        <param><value><string>OpaqueRef:1</string></value></param>
                        <param><value><struct>
                        <member><name>size</name><value><i8>7</i8></value></member>
                        <member><name>tags</name><value><array><data>
                        <value>a&#13;&lt;</value><value><nil/></value>
                        </data></array></value></member>
                        </struct></value></param>
                        <param><value><boolean>1</boolean></value></param>
                        <param><value><double>1.5</double></value></param>
                        <!-- a comment --><?an instruction?>
                        </params>
                        </methodCall>
                        """,
                        "<!DOCTYPE a [<!ENTITY b 'c'>]><methodCall><methodName>&b;</methodName>"
                                + "</methodCall>")
                .map(text -> text.getBytes(StandardCharsets.UTF_8));
    }

    @MethodSource("calls")
    @FuzzTest(maxDuration = "1m")
    void refusesACallOrUnderstandsIt(byte[] input) {
        XmlCall call;
        try {
            call = XmlCall.parse(input);
        } catch (MalformedCallException refused) {
            assertNotNull(refused.getMessage());
            return;
        }
        call.params().forEach(XmlCallFuzzTest::check);
    }

    private static void check(Object value) {
        switch (value) {
            case null -> {}
            case List<?> items -> items.forEach(XmlCallFuzzTest::check);
            case Map<?, ?> members -> members.values().forEach(XmlCallFuzzTest::check);
            default ->
                    assertTrue(
                            value instanceof String
                                    || value instanceof Long
                                    || value instanceof Double
                                    || value instanceof Boolean);
        }
    }
}
