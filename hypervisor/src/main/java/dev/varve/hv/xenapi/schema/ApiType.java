// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.xenapi.schema;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;

/**
 * The type of a field, a parameter or a result.
 *
 * <p>Values are held as {@link String} (text, dates, enums and references), {@link Long}, {@link
 * Double}, {@link Boolean}, {@link List} and {@link Map}. The last three types are those of results
 * only.
 */
public sealed interface ApiType {
    /** Free text. */
    record Text() implements ApiType {}

    /** A 64-bit integer. */
    record Int() implements ApiType {}

    /** A floating point number. */
    record Real() implements ApiType {}

    /** True or false. */
    record Bool() implements ApiType {}

    /** A point in time, as {@code 20260131T23:59:59Z}. */
    record Time() implements ApiType {}

    /** No value; clients see the empty string. */
    record Nothing() implements ApiType {}

    /** One of a few names. */
    record Choice(String name, List<String> values) implements ApiType {
        /** Copies the list. */
        public Choice {
            values = List.copyOf(values);
        }
    }

    /** A reference to an object of a class; the class need not be served here. */
    record Ref(String className) implements ApiType {}

    /** Values without order. */
    record SetOf(ApiType element) implements ApiType {}

    /** Values by key; keys are always held as text. */
    record MapOf(ApiType key, ApiType value) implements ApiType {}

    /**
     * The fields of an object of a class.
     *
     * @param without fields that are ignored when a client sends them
     */
    record RecordOf(String className, Set<String> without) implements ApiType {
        /** Some fields of a class. */
        public RecordOf {
            without = Set.copyOf(without);
        }

        /** The fields of a class. */
        public RecordOf(String className) {
            this(className, Set.of());
        }
    }

    /** A number of 32 bits, which XML-RPC sends as a number and not as text. */
    record Count() implements ApiType {}

    /** All fields of an object of whatever class, held as an {@link AnyRecord.Value}. */
    record AnyRecord() implements ApiType {
        /** The fields, with the class that tells their types. */
        public record Value(String className, Map<String, Object> fields) {}
    }

    /** Values under fixed names that belong together and are no object. */
    record Struct(String name, List<Member> members) implements ApiType {
        /** One of the values. */
        public record Member(String name, ApiType type, String meaning) {}

        /** Copies the list. */
        public Struct {
            members = List.copyOf(members);
        }
    }

    /** The value of a field that nobody has set. */
    default Object zero() {
        return switch (this) {
            case Text _ -> "";
            case Int _ -> 0L;
            case Real _ -> 0.0;
            case Bool _ -> false;
            case Time _ -> "19700101T00:00:00Z";
            case Nothing _ -> "";
            case Choice t -> t.values().getFirst();
            case Ref _ -> OpaqueRef.NULL;
            case SetOf _ -> List.of();
            case MapOf _ -> Map.of();
            case RecordOf _, Struct _ -> Map.of();
            case Count _ -> 0L;
            case AnyRecord _ -> new AnyRecord.Value("", Map.of());
        };
    }

    /** The type as the documentation of the API writes it. */
    default String describe() {
        return switch (this) {
            case Text _ -> "string";
            case Int _ -> "int";
            case Real _ -> "float";
            case Bool _ -> "bool";
            case Time _ -> "datetime";
            case Nothing _ -> "void";
            case Choice t -> "enum " + t.name();
            case Ref t -> t.className() + " ref";
            case SetOf t -> t.element().describe() + " set";
            case MapOf t -> "(" + t.key().describe() + " -> " + t.value().describe() + ") map";
            case RecordOf t -> t.className() + " record";
            case Count _ -> "int32";
            case AnyRecord _ -> "record";
            case Struct t -> t.name() + " struct";
        };
    }

    /** Whether a value in its held form is of this type; references are checked by form only. */
    default boolean accepts(Object value) {
        return switch (this) {
            case Text _ -> value instanceof String;
            case Int _ -> value instanceof Long;
            case Real _ -> value instanceof Double;
            case Bool _ -> value instanceof Boolean;
            case Time _ -> value instanceof String;
            case Nothing _ -> "".equals(value);
            case Choice t -> value instanceof String s && t.values().contains(s);
            case Ref _ -> value instanceof String;
            case SetOf t ->
                    value instanceof List<?> list
                            && list.stream().allMatch(item -> t.element().accepts(item));
            case MapOf t ->
                    value instanceof Map<?, ?> map
                            && map.keySet().stream().allMatch(String.class::isInstance)
                            && map.values().stream().allMatch(item -> t.value().accepts(item));
            case RecordOf _, Struct _ -> value instanceof Map<?, ?>;
            case Count _ -> value instanceof Long;
            case AnyRecord _ -> value instanceof AnyRecord.Value;
        };
    }

    /** A copy that nobody can change. */
    static Object freeze(Object value) {
        return switch (value) {
            case List<?> list -> Collections.unmodifiableList(new ArrayList<>(list));
            case Map<?, ?> map -> Collections.unmodifiableMap(new TreeMap<>(map));
            default -> value;
        };
    }
}
