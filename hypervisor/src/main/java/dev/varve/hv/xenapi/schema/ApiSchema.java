// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.xenapi.schema;

import java.util.ArrayList;
import java.util.Collection;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** All classes of the API. */
public final class ApiSchema {
    /** The schema that this program serves. */
    public static final ApiSchema XENAPI =
            new ApiSchema(
                    List.of(
                            SessionClasses.SESSION,
                            SessionClasses.TASK,
                            SecretClass.SECRET,
                            MessageClass.MESSAGE,
                            HostClasses.POOL,
                            HostClasses.HOST,
                            HostClasses.VM,
                            StorageClasses.SM,
                            StorageClasses.SR,
                            StorageClasses.PBD,
                            StorageClasses.VDI,
                            StorageClasses.VBD));

    private final Map<String, ApiClass> classes = new LinkedHashMap<>();
    private final Map<String, ApiMethod> methods = new LinkedHashMap<>();

    /** A schema of the given classes. */
    public ApiSchema(List<ApiClass> all) {
        for (ApiClass type : all) {
            classes.put(type.name(), type);
            type.methods().forEach(method -> methods.put(method.fullName(), method));
        }
        classless().forEach(method -> methods.put(method.fullName(), method));
    }

    /** The methods that belong to no class. */
    public static List<ApiMethod> classless() {
        List<ApiMethod> methods = new ArrayList<>(EventMethods.ALL);
        methods.add(SystemMethods.LIST_METHODS);
        return List.copyOf(methods);
    }

    /**
     * Whether a method can be called so that it is carried out later, and a task stands for it:
     * what is done, not what only reads or writes a field.
     */
    public boolean canBeAsync(ApiMethod method) {
        return find(method.className())
                .filter(type -> !type.is(ApiClass.Trait.VOLATILE) && type.declares(method.name()))
                .isPresent();
    }

    /** All classes. */
    public Collection<ApiClass> classes() {
        return Collections.unmodifiableCollection(classes.values());
    }

    /** A class that is served here. */
    public Optional<ApiClass> find(String className) {
        return Optional.ofNullable(classes.get(className));
    }

    /** A class that must be there. */
    public ApiClass require(String className) {
        return find(className)
                .orElseThrow(() -> new IllegalArgumentException("no class " + className));
    }

    /** A method by its full name, like {@code SR.scan}. */
    public Optional<ApiMethod> method(String fullName) {
        return Optional.ofNullable(methods.get(fullName));
    }

    /** All methods. */
    public Collection<ApiMethod> methods() {
        return Collections.unmodifiableCollection(methods.values());
    }
}
