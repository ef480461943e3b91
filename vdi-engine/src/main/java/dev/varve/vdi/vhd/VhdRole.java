// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.vhd;

import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.image.BlockAccess;
import dev.varve.vdi.image.ImagePatch;
import dev.varve.vdi.image.ImageRole;
import dev.varve.vdi.image.ParentLink;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;

/**
 * Works out what has to be written so that a dynamic or differencing image has another role: the
 * names of its parent at the places that the locators have for them, the header, and the footer at
 * the start. The footer at the end belongs to whoever closes the image.
 */
final class VhdRole {
    private static final int SECTOR = 512;

    private final BlockAccess access;
    private final VhdImage image;
    private final int now;
    private final List<ImagePatch> patches = new ArrayList<>();

    /**
     * @param now the time in seconds since {@link VhdFooter#EPOCH_SECONDS}
     */
    VhdRole(BlockAccess access, VhdImage image, int now) {
        this.access = access;
        this.image = image;
        this.now = now;
    }

    /** The patches; none when the image has the role already. */
    List<ImagePatch> patches(ImageRole role) {
        if (!role.parent().equals(Optional.ofNullable(image.parent()))) {
            VhdHeader header = role.parent().map(this::headerOn).orElseGet(this::headerAlone);
            patches.add(new ImagePatch(image.footer().dataOffset(), header.encode()));
        }
        VhdFooter.Type type =
                role.parent().isPresent() ? VhdFooter.Type.DIFFERENCING : VhdFooter.Type.DYNAMIC;
        VhdFooter footer = image.footer().withRole(type, role.uuid(), role.hidden());
        if (!footer.equals(image.footer())) {
            patches.add(new ImagePatch(0, footer.encode()));
        }
        return patches;
    }

    private VhdHeader headerAlone() {
        VhdHeader old = image.header();
        return new VhdHeader(old.tableOffset(), old.maxTableEntries(), old.blockBytes());
    }

    private VhdHeader headerOn(ParentLink parent) {
        VhdHeader old = image.header();
        String name = parent.names().getFirst();
        List<ParentLocator> locators = new ArrayList<>();
        for (ParentLocator locator : old.locators()) {
            if (locator.isKnown()) {
                renamed(locator, name).ifPresent(locators::add);
            }
        }
        if (locators.isEmpty()) {
            throw ErrorCode.VDI_SNAPSHOT.because(
                    "the header of the image has no room for the name of its parent, " + name);
        }
        return new VhdHeader(
                old.tableOffset(),
                old.maxTableEntries(),
                old.blockBytes(),
                parent.imageUuid(),
                now,
                name,
                locators);
    }

    /** The locator with another name in its place, which has to begin a sector of its own. */
    private Optional<ParentLocator> renamed(ParentLocator locator, String name) {
        byte[] bytes = ParentLocator.encodeName(locator.code(), name);
        int room = (bytes.length + SECTOR - 1) / SECTOR * SECTOR;
        boolean fits =
                locator.offset() % SECTOR == 0
                        && room <= locator.spaceBytes()
                        && locator.offset() <= access.sizeBytes() - room;
        if (!fits) {
            return Optional.empty();
        }
        patches.add(new ImagePatch(locator.offset(), Arrays.copyOf(bytes, room)));
        return Optional.of(
                new ParentLocator(locator.code(), locator.space(), bytes.length, locator.offset()));
    }
}
