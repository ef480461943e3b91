// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.xenapi.schema;

import java.util.ArrayList;
import java.util.Collection;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Optional;
import java.util.SequencedMap;

/**
 * A class of the API: its fields and its methods, those that every class has included.
 *
 * <p>The order of the fields is the order in which the command line shows them.
 */
public final class ApiClass {
    /** What all objects of a class have in common. */
    public enum Trait {
        /** Objects do not outlive the daemon. */
        VOLATILE,
        /** Objects are only reached by a reference that the caller was given. */
        UNLISTED,
        /** Objects have a name and can be found by it. */
        NAMED
    }

    /**
     * A value that only the command line shows.
     *
     * @param after the command line name of the field that it follows
     */
    public record Derived(String name, String after) {}

    private final String name;
    private final String meaning;
    private final java.util.Set<Trait> traits;
    private final SequencedMap<String, ApiField> fields;
    private final SequencedMap<String, ApiMethod> methods;
    private final java.util.Set<String> declared;
    private final List<String> listed;
    private final List<Derived> derived;

    private ApiClass(Builder builder) {
        this.name = builder.name;
        this.meaning = builder.meaning;
        this.traits = java.util.Set.copyOf(builder.traits);
        this.fields = Collections.unmodifiableSequencedMap(builder.fields);
        this.listed = List.copyOf(builder.listed);
        this.derived = List.copyOf(builder.derived);
        SequencedMap<String, ApiMethod> all = new LinkedHashMap<>();
        GeneratedMethods.of(this).forEach(method -> all.put(method.name(), method));
        builder.methods.forEach(method -> all.put(method.name(), method));
        this.methods = Collections.unmodifiableSequencedMap(all);
        this.declared =
                builder.methods.stream()
                        .map(ApiMethod::name)
                        .collect(java.util.stream.Collectors.toUnmodifiableSet());
    }

    /** Starts a class. */
    public static Builder named(String name, String meaning, Trait... traits) {
        return new Builder(name, meaning, List.of(traits));
    }

    /** Its name on the wire, like {@code SR}. */
    public String name() {
        return name;
    }

    /** Its name on the command line, like {@code sr}. */
    public String cliName() {
        return name.toLowerCase(java.util.Locale.ROOT);
    }

    /** What its objects are, in a sentence. */
    public String meaning() {
        return meaning;
    }

    /** Whether its objects have this in common. */
    public boolean is(Trait trait) {
        return traits.contains(trait);
    }

    /** All fields in the order of the command line. */
    public Collection<ApiField> fields() {
        return fields.values();
    }

    /** A field by its name on the wire. */
    public Optional<ApiField> field(String fieldName) {
        return Optional.ofNullable(fields.get(fieldName));
    }

    /** A field that must be there. */
    public ApiField require(String fieldName) {
        return field(fieldName)
                .orElseThrow(
                        () ->
                                new IllegalArgumentException(
                                        "class " + name + " has no field " + fieldName));
    }

    /** All methods. */
    public Collection<ApiMethod> methods() {
        return methods.values();
    }

    /** A method by its name without the class. */
    public Optional<ApiMethod> method(String methodName) {
        return Optional.ofNullable(methods.get(methodName));
    }

    /** Whether a method is one of this class alone, not one that follows from its fields. */
    boolean declares(String methodName) {
        return declared.contains(methodName);
    }

    /** The fields that a list shows unless others are asked for, by their command line names. */
    public List<String> listed() {
        return listed;
    }

    /** What only the command line knows. */
    public List<Derived> derived() {
        return derived;
    }

    @Override
    public String toString() {
        return name;
    }

    /** Collects the fields and the methods of a class. */
    public static final class Builder {
        private final String name;
        private final String meaning;
        private final List<Trait> traits;
        private final SequencedMap<String, ApiField> fields = new LinkedHashMap<>();
        private final List<ApiMethod> methods = new ArrayList<>();
        private List<String> listed = List.of();
        private final List<Derived> derived = new ArrayList<>();

        private Builder(String name, String meaning, List<Trait> traits) {
            this.name = name;
            this.meaning = meaning;
            this.traits = traits;
        }

        /** Adds fields. */
        public Builder fields(ApiField... more) {
            for (ApiField field : more) {
                if (fields.put(field.name(), field) != null) {
                    throw new IllegalArgumentException(
                            "class " + name + " has field " + field.name() + " twice");
                }
            }
            return this;
        }

        /** Adds methods. */
        public Builder methods(ApiMethod... more) {
            methods.addAll(List.of(more));
            return this;
        }

        /** Starts a method of this class. */
        public ApiMethod method(String methodName, String methodMeaning) {
            return ApiMethod.of(name, methodName, methodMeaning);
        }

        /** Says what a list shows unless other fields are asked for. */
        public Builder listed(String... cliNames) {
            listed = List.of(cliNames);
            return this;
        }

        /** Adds a name that only the command line knows, shown after another one. */
        public Builder derived(String cliName, String after) {
            derived.add(new Derived(cliName, after));
            return this;
        }

        /** The class. */
        public ApiClass build() {
            return new ApiClass(this);
        }
    }
}
