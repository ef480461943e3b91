// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.xenapi.schema;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;

import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;

final class ApiSchemaTest {
    private final ApiSchema schema = ApiSchema.XENAPI;

    private List<String> cliNames(String className) {
        return schema.require(className).fields().stream()
                .flatMap(field -> field.cli().stream())
                .map(ApiField.CliName::name)
                .toList();
    }

    @Test
    void showsTheFieldsOfARepositoryInTheKnownOrder() {
        assertEquals(
                List.of(
                        ("uuid name-label name-description allowed-operations current-operations"
                                        + " VDIs PBDs virtual-allocation physical-utilisation"
                                        + " physical-size type content-type shared introduced-by"
                                        + " is-tools-sr other-config sm-config blobs"
                                        + " local-cache-enabled tags clustered")
                                .split(" ")),
                cliNames("SR"));
    }

    @Test
    void showsTheFieldsOfADiskInTheKnownOrder() {
        assertEquals(
                List.of(
                        ("uuid name-label name-description is-a-snapshot snapshot-of snapshots"
                                        + " snapshot-time allowed-operations current-operations"
                                        + " sr-uuid sr-name-label vbd-uuids crashdump-uuids"
                                        + " virtual-size physical-utilisation location type"
                                        + " sharable read-only storage-lock managed parent missing"
                                        + " is-tools-iso other-config xenstore-data sm-config"
                                        + " on-boot allow-caching metadata-latest metadata-of-pool"
                                        + " tags cbt-enabled")
                                .split(" ")),
                cliNames("VDI"));
    }

    @Test
    void hasEveryMethodNameOnceAndEveryTypeOfASetOrMapIsKnown() {
        Set<String> names = new HashSet<>();
        for (ApiMethod method : schema.methods()) {
            assertTrue(names.add(method.fullName()), method.fullName());
            assertTrue(method.optional() <= method.params().size());
        }
        assertTrue(names.containsAll(List.of("SR.scan", "VDI.get_sm_config", "VDI.add_tags")));
        assertTrue(names.contains("VDI.add_to_other_config"));
        assertFalse(names.contains("VDI.set_uuid"));
        assertFalse(names.contains("session.get_all_records"));
        assertFalse(names.contains("PBD.get_wanted"));
    }

    @Test
    void listsOnlyFieldsThatThereAre() {
        for (ApiClass type : schema.classes()) {
            TreeSet<String> known = new TreeSet<>(cliNames(type.name()));
            type.derived().forEach(derived -> known.add(derived.name()));
            assertTrue(known.containsAll(type.listed()), type + " lists " + type.listed());
            assertEquals(
                    type.fields().stream().mapToInt(field -> field.cli().size()).sum()
                            + type.derived().size(),
                    known.size(),
                    "two fields of " + type + " have the same name");
        }
    }

    @Test
    void namesInverseFieldsThatThereAre() {
        for (ApiClass type : schema.classes()) {
            for (ApiField field : type.fields()) {
                if (field.source() instanceof ApiField.Source.Inverse inverse) {
                    ApiField other = schema.require(inverse.className()).require(inverse.field());
                    assertEquals(new ApiType.Ref(type.name()), other.type());
                }
            }
        }
    }

    @Test
    void describesEveryFieldAndMethod() {
        for (ApiClass type : schema.classes()) {
            assertFalse(type.meaning().isBlank());
            type.fields().forEach(field -> assertFalse(field.meaning().isBlank(), field.name()));
            type.methods().forEach(m -> assertTrue(m.meaning().endsWith("."), m.fullName()));
        }
    }
}
