// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sim;

import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.varve.vdi.block.BlockDevice;
import dev.varve.vdi.block.BlockFeature;
import dev.varve.vdi.block.BlockRequest;
import dev.varve.vdi.block.Geometry;
import dev.varve.vdi.block.IoStatus;
import dev.varve.vdi.image.BlockAccess;
import dev.varve.vdi.image.CommitListener;
import dev.varve.vdi.image.ImageLayer;
import dev.varve.vdi.store.StoreFeature;
import dev.varve.vdi.store.StoreSpace;
import dev.varve.vdi.store.StoreVolume;
import dev.varve.vdi.store.VolumeChange;
import dev.varve.vdi.store.VolumeId;
import dev.varve.vdi.store.VolumeInfo;
import dev.varve.vdi.store.VolumeKind;
import dev.varve.vdi.store.VolumeStore;

import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.function.Consumer;
import java.util.function.Function;
import java.util.function.Supplier;

/** Plants defects in trees of disks, of which the simulation must find each. */
@Tag("sim")
class TreeCanaryTest {
    private static final int SEEDS = 400;

    /** A layer that knows whether it was the leaf of a disk and is an inner node now. */
    private abstract static class FormerLeaf extends ForwardingLayer {
        private final VolumeId opened;
        private final Supplier<VolumeId> name;

        FormerLeaf(ImageLayer layer, Supplier<VolumeId> name) {
            super(layer);
            this.name = name;
            this.opened = name.get();
        }

        boolean isFormer() {
            return opened.kind() == VolumeKind.VHD && !opened.equals(name.get());
        }
    }

    /** After a switch, a flush does not wait for what the former leaf got before. */
    private static final class FlushesOfTheLeafOnly implements TreeSabotage {
        @Override
        public ImageLayer wrap(ImageLayer layer, Supplier<VolumeId> name) {
            return new FormerLeaf(layer, name) {
                @Override
                public void commit(CommitListener listener) {
                    if (isFormer()) {
                        layer.commit(status -> {});
                        listener.committed(IoStatus.OK);
                    } else {
                        layer.commit(listener);
                    }
                }
            };
        }
    }

    /** A disk changes over to its new leaf before the names of both are durable. */
    private static final class NamesAfterTheSwitch implements TreeSabotage {
        @Override
        public long commitsLateNanos() {
            return 3_000_000;
        }
    }

    /** The index is not told of a write to a former leaf that began before the switch. */
    private static final class IndexMissesLateWrites implements TreeSabotage {
        private BlockRequest ending;

        @Override
        public BlockDevice front(BlockDevice medium) {
            return new BlockDevice() {
                @Override
                public Geometry geometry() {
                    return medium.geometry();
                }

                @Override
                public Set<BlockFeature> features() {
                    return medium.features();
                }

                @Override
                public long lossEpoch() {
                    return medium.lossEpoch();
                }

                @Override
                public void submit(BlockRequest request) {
                    request.push(
                            end -> {
                                ending = end;
                                end.complete(end.status);
                            });
                    medium.submit(request);
                }

                @Override
                public void close() {}
            };
        }

        @Override
        public ImageLayer wrap(ImageLayer layer, Supplier<VolumeId> name) {
            return new FormerLeaf(layer, name) {
                @Override
                public void written(long offset, long length, Object pin) {
                    layer.written(offset, length, pin);
                    if (isFormer()) {
                        ending.length = 0; // the index is told of so many bytes
                    }
                }
            };
        }
    }

    /** A revert removes an inner node that others may rest on. */
    private static final class RevertsRemoveTooMuch implements TreeSabotage {
        @Override
        public VolumeStore wrap(VolumeStore store) {
            return new ForwardingStore(store) {
                @Override
                public void commit(List<VolumeChange> changes) {
                    store.commit(isRevert(changes) ? withOneMore(changes) : changes);
                }

                private boolean isRevert(List<VolumeChange> changes) {
                    return changes.stream()
                            .anyMatch(
                                    change ->
                                            change instanceof VolumeChange.Rename rename
                                                    && rename.from().kind() == VolumeKind.INCOMING
                                                    && isReplaced(rename.to(), changes));
                }

                private boolean isReplaced(VolumeId id, List<VolumeChange> changes) {
                    return store.find(id).isPresent()
                            && changes.stream()
                                    .noneMatch(
                                            change ->
                                                    change instanceof VolumeChange.Rename rename
                                                            && rename.from().equals(id));
                }

                private List<VolumeChange> withOneMore(List<VolumeChange> changes) {
                    List<VolumeChange> more = new ArrayList<>(changes);
                    store.list().stream()
                            .filter(VolumeInfo::hidden)
                            .findFirst()
                            .ifPresent(node -> more.add(new VolumeChange.Delete(node.id())));
                    return more;
                }
            };
        }
    }

    /** A merge is committed although what an inner node has got was not made durable. */
    private static final class MergesWithoutTheData implements TreeSabotage {
        @Override
        public ImageLayer wrap(ImageLayer layer, Supplier<VolumeId> name) {
            return new ForwardingLayer(layer) {
                @Override
                public void commit(CommitListener listener) {
                    if (layer.info().hidden()) {
                        listener.committed(IoStatus.OK);
                    } else {
                        layer.commit(listener);
                    }
                }
            };
        }
    }

    /** Nobody is told that a server was restarted. */
    private static final class LossesAreNotTold implements TreeSabotage {
        @Override
        public BlockDevice front(BlockDevice medium) {
            return new BlockDevice() {
                @Override
                public Geometry geometry() {
                    return medium.geometry();
                }

                @Override
                public Set<BlockFeature> features() {
                    return medium.features();
                }

                @Override
                public void submit(BlockRequest request) {
                    medium.submit(request);
                }

                @Override
                public void close() {}
            };
        }
    }

    /** A store in front of another one. */
    private abstract static class ForwardingStore implements VolumeStore {
        private final VolumeStore store;

        ForwardingStore(VolumeStore store) {
            this.store = store;
        }

        @Override
        public Set<StoreFeature> features() {
            return store.features();
        }

        @Override
        public StoreSpace space() {
            return store.space();
        }

        @Override
        public List<VolumeInfo> list() {
            return store.list();
        }

        @Override
        public String nameOf(VolumeId id) {
            return store.nameOf(id);
        }

        @Override
        public Optional<VolumeId> named(String name) {
            return store.named(name);
        }

        @Override
        public Optional<VolumeInfo> find(VolumeId id) {
            return store.find(id);
        }

        @Override
        public StoreVolume open(VolumeId id, boolean writable) {
            return store.open(id, writable);
        }

        @Override
        public void recover() {
            store.recover();
        }

        @Override
        public void close() {
            store.close();
        }
    }

    /** Puts images in order by what their volumes were some time before. */
    private static class SealedByOldNews extends ForwardingLayer {
        private final Function<BlockAccess, BlockAccess> news;

        SealedByOldNews(ImageLayer layer, Function<BlockAccess, BlockAccess> news) {
            super(layer);
            this.news = news;
        }

        @Override
        public void seal(BlockAccess access, boolean hidden) {
            layer.seal(news.apply(access), hidden);
        }
    }

    /** The footer goes where the end of the volume was when the image was opened. */
    private static final class FootersAtTheOldEnd implements TreeSabotage {
        @Override
        public ImageLayer wrap(ImageLayer layer, BlockAccess opened, Supplier<VolumeId> name) {
            long size = opened.sizeBytes();
            return new SealedByOldNews(
                    layer,
                    access ->
                            new ForwardingAccess(access) {
                                @Override
                                public long sizeBytes() {
                                    return size;
                                }
                            });
        }
    }

    /** An image is put in order while its volume is being grown. */
    private static final class SealedWhileGrowing implements TreeSabotage {
        @Override
        public ImageLayer wrap(ImageLayer layer, BlockAccess opened, Supplier<VolumeId> name) {
            return new SealedByOldNews(
                    layer,
                    access ->
                            new ForwardingAccess(access) {
                                @Override
                                public void await(Consumer<Runnable> work) {
                                    // Does not come to rest.
                                }
                            });
        }
    }

    private static void assertFound(Supplier<TreeSabotage> sabotage) {
        assertTrue(
                Seeds.any(SEEDS, seed -> finds(new Seed(seed), sabotage.get())),
                () -> "none of " + SEEDS + " seeds found the defect");
    }

    private static boolean finds(Seed seed, TreeSabotage sabotage) {
        try {
            TreeSimulation.run(seed, sabotage);
            return false;
        } catch (SimulationFailure e) {
            return true;
        }
    }

    @Test
    void findsFlushesThatDoNotWaitForTheFormerLeaf() {
        assertFound(FlushesOfTheLeafOnly::new);
    }

    @Test
    void findsNamesThatAreDurableAfterTheSwitch() {
        assertFound(NamesAfterTheSwitch::new);
    }

    @Test
    void findsAnIndexThatMissesLateWrites() {
        assertFound(IndexMissesLateWrites::new);
    }

    @Test
    void findsMergesThatAreCommittedWithoutTheirData() {
        assertFound(MergesWithoutTheData::new);
    }

    @Test
    void findsLossesThatAreNotTold() {
        assertFound(LossesAreNotTold::new);
    }

    @Test
    void findsFootersWhereTheEndOfTheVolumeWas() {
        assertFound(FootersAtTheOldEnd::new);
    }

    @Test
    void findsImagesPutInOrderWhileTheirVolumeGrows() {
        assertFound(SealedWhileGrowing::new);
    }

    @Test
    void findsRevertsThatRemoveTooMuch() {
        assertFound(RevertsRemoveTooMuch::new);
    }
}
