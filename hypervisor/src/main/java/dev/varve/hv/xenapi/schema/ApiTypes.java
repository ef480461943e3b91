// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.xenapi.schema;

import java.util.List;

/** The types that need no parameters, and short ways to write the others. */
public final class ApiTypes {
    /** Free text. */
    public static final ApiType TEXT = new ApiType.Text();

    /** A 64-bit integer. */
    public static final ApiType INT = new ApiType.Int();

    /** A floating point number. */
    public static final ApiType FLOAT = new ApiType.Real();

    /** True or false. */
    public static final ApiType BOOL = new ApiType.Bool();

    /** A point in time. */
    public static final ApiType DATE_TIME = new ApiType.Time();

    /** No value. */
    public static final ApiType VOID = new ApiType.Nothing();

    /** A set of texts. */
    public static final ApiType TEXTS = new ApiType.SetOf(TEXT);

    /** A map from text to text. */
    public static final ApiType TEXT_MAP = new ApiType.MapOf(TEXT, TEXT);

    private ApiTypes() {}

    /** A reference to an object of the class. */
    public static ApiType ref(String className) {
        return new ApiType.Ref(className);
    }

    /** References to objects of the class. */
    public static ApiType refs(String className) {
        return new ApiType.SetOf(new ApiType.Ref(className));
    }

    /** One of the names. */
    public static ApiType oneOf(String name, String... values) {
        return new ApiType.Choice(name, List.of(values));
    }
}
