// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.xenapi.schema;

import java.util.ArrayList;
import java.util.List;

/**
 * A field of a class.
 *
 * @param name as clients of the API see it, like {@code name_label}
 * @param access who may write it
 * @param source where its value comes from
 * @param initial the value in a new object that does not say otherwise
 * @param cli how the command line shows it: no entry when it does not
 */
public record ApiField(
        String name,
        ApiType type,
        Access access,
        Source source,
        String meaning,
        Object initial,
        List<CliName> cli) {
    /** Who may write a field through the API. */
    public enum Access {
        /** Only the daemon. */
        READ_ONLY,
        /** Set when the object is made and constant from then on. */
        CONSTRUCTOR,
        /** Clients. */
        READ_WRITE,
        /** The daemon; clients do not even see it. */
        INTERNAL
    }

    /** Where the value of a field comes from. */
    public sealed interface Source {
        /** It is kept. */
        record Stored() implements Source {}

        /** All objects of another class whose field refers to this object. */
        record Inverse(String className, String field) implements Source {}

        /** It is worked out whenever it is read. */
        record Computed() implements Source {}
    }

    /** What the command line shows for a field. */
    public enum CliView {
        /** The value as it is. */
        VALUE,
        /** The value in small letters. */
        LOWER_CASE,
        /** The UUIDs of what it refers to. */
        UUID,
        /** The names of what it refers to. */
        NAME
    }

    /**
     * A name of a field on the command line.
     *
     * @param name like {@code name-label}
     * @param writable whether {@code param-set} and its like change it
     */
    public record CliName(String name, CliView view, boolean writable) {}

    /** Checks the default, copies the list. */
    public ApiField {
        if (!type.accepts(initial)) {
            throw new IllegalArgumentException("field " + name + " cannot start as " + initial);
        }
        cli = List.copyOf(cli);
    }

    private static ApiField make(String name, ApiType type, Access access, String meaning) {
        boolean refers = referred(type) != null;
        CliView view = refers ? CliView.UUID : CliView.VALUE;
        boolean writable = access == Access.READ_WRITE;
        List<CliName> cli =
                access == Access.INTERNAL
                        ? List.of()
                        : List.of(new CliName(name.replace('_', '-'), view, writable));
        return new ApiField(name, type, access, new Source.Stored(), meaning, type.zero(), cli);
    }

    /** A field that only the daemon writes. */
    public static ApiField ro(String name, ApiType type, String meaning) {
        return make(name, type, Access.READ_ONLY, meaning);
    }

    /** A field that is given when the object is made. */
    public static ApiField constructor(String name, ApiType type, String meaning) {
        return make(name, type, Access.CONSTRUCTOR, meaning);
    }

    /** A field that clients may write. */
    public static ApiField rw(String name, ApiType type, String meaning) {
        return make(name, type, Access.READ_WRITE, meaning);
    }

    /** A value that the daemon keeps with the object and shows to nobody. */
    public static ApiField internal(String name, ApiType type, String meaning) {
        return make(name, type, Access.INTERNAL, meaning);
    }

    /** The class that a reference or a set of references names, or null. */
    public static String referred(ApiType type) {
        return switch (type) {
            case ApiType.Ref ref -> ref.className();
            case ApiType.SetOf set -> referred(set.element());
            default -> null;
        };
    }

    /** The same field, worked out whenever it is read. */
    public ApiField computed() {
        return with(new Source.Computed());
    }

    /** The same field, listing the objects of a class whose field refers to this one. */
    public ApiField inverse(String className, String field) {
        return with(new Source.Inverse(className, field));
    }

    private ApiField with(Source other) {
        return new ApiField(name, type, access, other, meaning, initial, cli);
    }

    /** The same field with another start value. */
    public ApiField starting(Object value) {
        return new ApiField(name, type, access, source, meaning, value, cli);
    }

    /** The same field, which the command line does not show. */
    public ApiField hidden() {
        return new ApiField(name, type, access, source, meaning, initial, List.of());
    }

    /** The same field, which the command line shows under another name. */
    public ApiField named(String cliName) {
        return cli(new CliName(cliName, cli.getFirst().view(), cli.getFirst().writable()));
    }

    /** The same field, which the command line shows in small letters. */
    public ApiField lowerCase() {
        return cli(
                new CliName(cli.getFirst().name(), CliView.LOWER_CASE, cli.getFirst().writable()));
    }

    /** The same field, which the command line shows but does not change. */
    public ApiField cliReadOnly() {
        return cli(new CliName(cli.getFirst().name(), cli.getFirst().view(), false));
    }

    /** The same field, for which the command line shows the name of what it refers to as well. */
    public ApiField alsoName(String cliName) {
        List<CliName> both = new ArrayList<>(cli);
        both.add(new CliName(cliName, CliView.NAME, false));
        return new ApiField(name, type, access, source, meaning, initial, both);
    }

    private ApiField cli(CliName only) {
        return new ApiField(name, type, access, source, meaning, initial, List.of(only));
    }

    /** Whether clients of the API see it. */
    public boolean visible() {
        return access != Access.INTERNAL;
    }

    /** Whether clients may write it. */
    public boolean writable() {
        return access == Access.READ_WRITE;
    }
}
