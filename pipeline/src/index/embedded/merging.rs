//! Which segments are merged: enough that a commit a second leaves few, none so large that merging it is felt.

use tantivy::index::SegmentMeta;
use tantivy::indexer::{MergeCandidate, MergePolicy};

/// Segments of about the same size that wait before they are merged into one; also how many times larger the next
/// size is. As many batches of a thousand, as catching up puts them, are merged once and then never again.
const FAN: u32 = 16;
/// Most documents in a merged segment. Merging maps the old segments into memory as a whole, some 2.5 KB for each
/// 10 KB report, and that counts as the process's own: 60 MB with this many. A million reports are some sixty segments.
const LARGEST: u32 = 25_000;
/// A segment is written again without its removed documents once more than one in this many is.
const WORN: u32 = 4;

/// Merges segments of like size, smallest first, up to a largest size. (Tantivy's own `LogMergePolicy` bounds what
/// goes into a merge, but not what comes out of it.)
#[derive(Debug)]
pub(super) struct Bounded;

impl MergePolicy for Bounded {
    fn compute_merge_candidates(&self, segments: &[SegmentMeta]) -> Vec<MergeCandidate> {
        let mut sizes: Vec<Size> = segments
            .iter()
            .enumerate()
            .map(|(index, segment)| Size { index, documents: segment.num_docs(), removed: segment.num_deleted_docs() })
            .collect();
        let merges = merges(&mut sizes).into_iter();
        merges.map(|merge| MergeCandidate(merge.into_iter().map(|index| segments[index].id()).collect())).collect()
    }
}

/// What of a segment matters here.
#[derive(Clone, Copy, Debug)]
struct Size {
    index: usize,
    documents: u32,
    removed: u32,
}

impl Size {
    /// Segments of the same tier are of about the same size. One at least half full is done, and in none.
    fn tier(&self) -> Option<u32> {
        (self.documents < LARGEST / 2).then(|| self.documents.max(1).ilog(FAN))
    }

    fn worn(&self) -> bool {
        self.removed > (self.documents + self.removed) / WORN
    }
}

/// The merges to make now, each as the indices of its segments.
fn merges(sizes: &mut [Size]) -> Vec<Vec<usize>> {
    sizes.sort_by_key(|size| size.documents);
    let mut merges = Vec::new();
    for tier in sizes.chunk_by(|a, b| a.tier() == b.tier()) {
        let mut rest = tier;
        while tier[0].tier().is_some()
            && let Some(count) = ready(rest)
        {
            let (merged, left) = rest.split_at(count);
            merges.push(merged.iter().map(|size| size.index).collect());
            rest = left;
        }
        merges.extend(rest.iter().filter(|size| size.worn()).map(|size| vec![size.index]));
    }
    merges
}

/// How many of the first segments to merge: a full fan, or as many as fill a largest segment.
fn ready(tier: &[Size]) -> Option<usize> {
    let mut total = 0;
    for (count, size) in tier.iter().enumerate() {
        if count as u32 == FAN || (count >= 2 && total + size.documents > LARGEST) {
            return Some(count);
        }
        total += size.documents;
    }
    (tier.len() as u32 == FAN || (tier.len() >= 2 && total >= LARGEST / 4 * 3)).then_some(tier.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sizes(documents: &[u32]) -> Vec<Size> {
        documents.iter().enumerate().map(|(index, &documents)| Size { index, documents, removed: 0 }).collect()
    }

    #[test]
    fn sixteen_of_a_size_are_merged_and_fifteen_are_not() {
        assert_eq!(merges(&mut sizes(&[1000; 15])), Vec::<Vec<usize>>::new());
        assert_eq!(merges(&mut sizes(&[1000; 17])), [(0..16).collect::<Vec<usize>>()]);
        let mut mixed = vec![1; 17];
        mixed[2] = 1000;
        assert_eq!(merges(&mut sizes(&mixed)), [(0..17).filter(|&index| index != 2).collect::<Vec<usize>>()]);
    }

    #[test]
    fn segments_grow_to_the_largest_size_and_no_further() {
        assert_eq!(merges(&mut sizes(&[8000, 8000])), Vec::<Vec<usize>>::new());
        assert_eq!(merges(&mut sizes(&[8000; 3])), [vec![0, 1, 2]]);
        assert_eq!(merges(&mut sizes(&[7000, 12_000, 7000])), [vec![0, 2]]);
        assert_eq!(merges(&mut sizes(&[4000; 7])), [vec![0, 1, 2, 3, 4, 5]]);
        assert_eq!(merges(&mut sizes(&[LARGEST / 2; 20])), Vec::<Vec<usize>>::new());
    }

    #[test]
    fn a_segment_full_of_removed_documents_is_written_again() {
        let mut worn = sizes(&[20_000, 300]);
        worn[0].removed = 6_000;
        assert_eq!(merges(&mut worn), Vec::<Vec<usize>>::new());
        worn.iter_mut().for_each(|size| size.removed = size.documents / 2);
        assert_eq!(merges(&mut worn), [vec![1], vec![0]]);
    }

    #[test]
    fn many_small_commits_leave_few_segments() {
        let mut segments: Vec<u32> = Vec::new();
        let mut largest = 0;
        for commit in 0..20_000 {
            segments.push(1 + commit % 13);
            loop {
                let merges = merges(&mut sizes(&segments));
                if merges.is_empty() {
                    break;
                }
                let mut kept: Vec<u32> = Vec::new();
                for (index, documents) in segments.iter().enumerate() {
                    if !merges.iter().flatten().any(|&merged| merged == index) {
                        kept.push(*documents);
                    }
                }
                kept.extend(merges.iter().map(|merge| merge.iter().map(|&index| segments[index]).sum::<u32>()));
                segments = kept;
            }
            largest = largest.max(segments.iter().copied().max().unwrap());
        }
        assert_eq!(segments.iter().sum::<u32>(), (0..20_000).map(|commit| 1 + commit % 13).sum::<u32>());
        assert!(segments.len() < 70, "{segments:?}");
        assert!(largest <= LARGEST, "{largest}");
    }
}
