// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.docs;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;

/** The references are made from the commands and from the schema: {@code varve format}. */
class ReferenceTest {
    @Test
    void pageListsAllCommandsAndFields() {
        String page = new XeReference().page();
        assertTrue(page.contains("| `vdi-resize` | `uuid=` `disk-size=` | `online=` |"), page);
        assertTrue(page.contains("| `name-label` | RW | string |"), page);
        GeneratedPart.ofPage("docs/reference/xe.md").mustBe(page);
    }

    @Test
    void pageListsAllClassesAndMethods() {
        String page = new ApiReference().page();
        assertTrue(page.contains("| `VDI.resize` | `vdi` (VDI ref)"), page);
        GeneratedPart.ofPage("docs/reference/api.md").mustBe(page);
    }

    @Test
    void manualPageListsAllCommands() {
        GeneratedPart.ofManual("docs/man/xe.1").mustBe(new XeReference().manual());
    }

    @Test
    void textsOfManualPagesAreNoRequests() {
        assertEquals("\\&.x \\-\\- \\e", XeReference.roff(".x -- \\"));
    }
}
