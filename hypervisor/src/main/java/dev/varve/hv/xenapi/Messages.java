// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.xenapi;

import dev.varve.vdi.time.Clock;
import dev.varve.vdi.time.RandomSource;

import java.util.Comparator;
import java.util.List;
import java.util.Map;

/**
 * What a person should know of. The newest {@value #MOST} are kept; the oldest go.
 *
 * <p><b>Threads:</b> any.
 *
 * <p><b>Durability:</b> as all objects: they outlive the daemon.
 */
public final class Messages {
    /** How many are kept. */
    static final int MOST = 1000;

    private final Database database;
    private final Clock clock;
    private final RandomSource random;

    /** Over the objects of a daemon. */
    public Messages(Database database, Clock clock, RandomSource random) {
        this.database = database;
        this.clock = clock;
        this.random = random;
    }

    /**
     * Makes a message.
     *
     * @param priority from 1, where data is in danger, to 5, where nothing has to be done
     * @param cls the class of the object that it is about, as {@code message.cls} names it
     */
    public ApiObject post(String name, int priority, String cls, String objUuid, String body) {
        Map<String, Object> fields =
                Map.of(
                        "name",
                        name,
                        "priority",
                        (long) priority,
                        "cls",
                        cls,
                        "obj_uuid",
                        objUuid,
                        "timestamp",
                        Values.time(clock.epochMillis()),
                        "body",
                        Texts.fit(body));
        List<ApiObject> present = database.all("message");
        return database.write(
                batch -> {
                    present.stream()
                            .sorted(Comparator.comparing(message -> message.text("timestamp")))
                            .limit(Math.max(0, present.size() - MOST + 1))
                            .forEach(message -> batch.delete(message.ref()));
                    return batch.create("message", random.uuid(), fields);
                });
    }
}
