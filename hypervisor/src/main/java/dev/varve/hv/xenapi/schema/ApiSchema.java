// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.xenapi.schema;

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
                            HostClasses.POOL,
                            HostClasses.HOST,
                            HostClasses.VM,
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
        ApiMethod list = SystemMethods.LIST_METHODS;
        methods.put(list.fullName(), list);
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
