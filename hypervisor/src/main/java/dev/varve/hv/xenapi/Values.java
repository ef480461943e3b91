// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.xenapi;

import dev.varve.hv.xenapi.schema.ApiClass;
import dev.varve.hv.xenapi.schema.ApiField;
import dev.varve.hv.xenapi.schema.ApiSchema;
import dev.varve.hv.xenapi.schema.ApiType;
import dev.varve.hv.xenapi.schema.OpaqueRef;
import dev.varve.vdi.ErrorCode;

import java.time.Instant;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.time.format.DateTimeParseException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/** Turns what is sent or kept into values of the schema's types. */
public final class Values {
    private static final DateTimeFormatter TIME =
            DateTimeFormatter.ofPattern("yyyyMMdd'T'HH:mm:ss'Z'").withZone(ZoneOffset.UTC);

    /** XML-RPC knows no zones, so most of its clients write none; UTC is meant. */
    private static final DateTimeFormatter TIME_SENT =
            DateTimeFormatter.ofPattern("yyyyMMdd'T'HH:mm:ss['Z']").withZone(ZoneOffset.UTC);

    private final ApiSchema schema;
    private final boolean fromClients;

    private Values(ApiSchema schema, boolean fromClients) {
        this.schema = schema;
        this.fromClients = fromClients;
    }

    /** What clients send. */
    public static Values sent(ApiSchema schema) {
        return new Values(schema, true);
    }

    /** What was written down before; texts are taken as they are. */
    public static Values kept(ApiSchema schema) {
        return new Values(schema, false);
    }

    /** A point in time in the form that clients know. */
    public static String time(long epochMillis) {
        return TIME.format(Instant.ofEpochMilli(epochMillis));
    }

    /** The point in time that {@link #time} has written, in milliseconds since 1970. */
    public static long millis(String time) {
        return TIME.parse(time, Instant::from).toEpochMilli();
    }

    /**
     * The value as one of the type. Clients send integers as numbers or as text; both are taken.
     *
     * @param name of the field or parameter, for the error
     * @throws dev.varve.vdi.StorageException FIELD_TYPE_ERROR or INVALID_VALUE
     */
    public Object coerce(ApiType type, Object value, String name) {
        return switch (type) {
            case ApiType.Text _ when value instanceof String text -> text(text, name);
            case ApiType.Int _ -> integer(value, name);
            case ApiType.Real _ -> real(value, name);
            case ApiType.Bool _ when value instanceof Boolean -> value;
            case ApiType.Time _ when value instanceof String text -> timeText(text, name);
            case ApiType.Choice choice when value instanceof String text -> {
                if (!choice.values().contains(text)) {
                    throw ErrorCode.INVALID_VALUE.with(name, text);
                }
                yield text;
            }
            case ApiType.Ref ref when value instanceof String text -> reference(ref, text);
            case ApiType.SetOf set when value instanceof List<?> list -> {
                List<Object> items = new ArrayList<>();
                for (Object item : list) {
                    items.add(coerce(set.element(), item, name));
                }
                yield ApiType.freeze(items);
            }
            case ApiType.MapOf map when value instanceof Map<?, ?> entries -> {
                Map<String, Object> items = new TreeMap<>();
                for (Map.Entry<?, ?> entry : entries.entrySet()) {
                    items.put(
                            text(String.valueOf(entry.getKey()), name),
                            coerce(map.value(), entry.getValue(), name));
                }
                yield ApiType.freeze(items);
            }
            case ApiType.RecordOf rec when value instanceof Map<?, ?> entries ->
                    record(rec, entries);
            default -> throw ErrorCode.FIELD_TYPE_ERROR.with(name);
        };
    }

    private String text(String value, String name) {
        if (fromClients && !Texts.fits(value)) {
            throw ErrorCode.INVALID_VALUE.with(name, Texts.fit(value));
        }
        return value;
    }

    private String reference(ApiType.Ref type, String value) {
        if (fromClients && !Texts.fits(value)) {
            throw ErrorCode.HANDLE_INVALID.with(type.className(), Texts.fit(value));
        }
        return OpaqueRef.isNull(value) ? OpaqueRef.NULL : value;
    }

    private Object record(ApiType.RecordOf rec, Map<?, ?> entries) {
        ApiClass type = schema.require(rec.className());
        Map<String, Object> fields = new TreeMap<>();
        for (Map.Entry<?, ?> entry : entries.entrySet()) {
            String name = String.valueOf(entry.getKey());
            ApiField field =
                    type.field(name)
                            .filter(ApiField::visible)
                            .orElseThrow(() -> ErrorCode.FIELD_TYPE_ERROR.with(name));
            // Some clients send all fields, and values that are none in those that nobody may
            // choose.
            if (field.access() != ApiField.Access.READ_ONLY && !rec.without().contains(name)) {
                fields.put(name, coerce(field.type(), entry.getValue(), name));
            }
        }
        return fields;
    }

    private static Object integer(Object value, String name) {
        try {
            return switch (value) {
                case Long number -> number;
                case String text -> Long.valueOf(text.strip());
                case Double real when real == Math.rint(real) && Math.abs(real) < 0x1p53 ->
                        real.longValue();
                case null, default -> throw ErrorCode.FIELD_TYPE_ERROR.with(name);
            };
        } catch (NumberFormatException e) {
            throw ErrorCode.FIELD_TYPE_ERROR.with(name);
        }
    }

    private static Object real(Object value, String name) {
        try {
            return switch (value) {
                case Double number -> number;
                case Long number -> number.doubleValue();
                case String text -> Double.valueOf(text.strip());
                case null, default -> throw ErrorCode.FIELD_TYPE_ERROR.with(name);
            };
        } catch (NumberFormatException e) {
            throw ErrorCode.FIELD_TYPE_ERROR.with(name);
        }
    }

    private static String timeText(String text, String name) {
        try {
            return TIME.format(TIME_SENT.parse(text));
        } catch (DateTimeParseException e) {
            throw ErrorCode.FIELD_TYPE_ERROR.with(name);
        }
    }
}
