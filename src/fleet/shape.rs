//! The regular part of demand over the day and the week, and of the air temperature over the day.

use super::calendar::LocalTime;
use crate::math::cos;

const DAY_MS: i64 = 86_400_000;

/// The daily and weekly shape of a demand: mean 1 over a weekday.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DailyShape {
    /// Amplitude of the first harmonic (0.22–0.41 if drawn).
    pub amplitude: f64,
    /// Amplitude of the second harmonic, relative to the first (0–0.25).
    pub second: f64,
    /// Hour of the peak, in local time.
    pub peak_hour: f64,
    /// Factor on Saturdays and Sundays (0.75–1 if drawn).
    pub weekend: f64,
}

impl DailyShape {
    /// Returns the shape of the day alone: 1 + A(cos θ + a₂ cos 2θ), with θ = 0 at the peak hour.
    pub fn daily(&self, moment: LocalTime) -> f64 {
        let angle = day_angle(moment, self.peak_hour);
        1.0 + self.amplitude * (cos(angle) + self.second * cos(2.0 * angle))
    }

    /// Returns the shape of the day and the week together.
    pub fn at(&self, moment: LocalTime) -> f64 {
        self.daily(moment) * (1.0 + (self.weekend - 1.0) * weekend_share(moment))
    }

    /// Returns the integral of the shape of the day since the last midnight, in days: the sum of a day's writes so far.
    pub fn since_midnight(&self, moment: LocalTime) -> f64 {
        let turn = std::f64::consts::TAU;
        let part = |angle: f64| crate::math::sin(angle) + 0.5 * self.second * crate::math::sin(2.0 * angle);
        let days = moment.0.rem_euclid(DAY_MS) as f64 / DAY_MS as f64;
        let from = -self.peak_hour / 24.0 * turn;
        days + self.amplitude / turn * (part(from + days * turn) - part(from))
    }
}

/// Returns the swing of the air temperature at an inlet over the day, −1 … 1.
pub fn inlet_swing(moment: LocalTime, peak_hour: f64) -> f64 {
    cos(day_angle(moment, peak_hour))
}

fn day_angle(moment: LocalTime, peak_hour: f64) -> f64 {
    let hours = moment.0.rem_euclid(DAY_MS) as f64 / 3_600_000.0;
    (hours - peak_hour) / 24.0 * std::f64::consts::TAU
}

/// Returns 0 on weekdays and 1 on Saturday and Sunday, with a smooth step of 6 h around each of the two midnights.
fn weekend_share(moment: LocalTime) -> f64 {
    // The epoch fell on a Thursday, so Saturday 00:00 is two days after it.
    let since_saturday = (moment.0 - 2 * DAY_MS).rem_euclid(7 * DAY_MS) as f64 / 3_600_000.0;
    let step = |hours: f64| {
        let x = ((hours + 3.0) / 6.0).clamp(0.0, 1.0);
        x * x * (3.0 - 2.0 * x)
    };
    // The last three hours of Friday belong to the coming weekend's step.
    let hours = if since_saturday > 165.0 { since_saturday - 168.0 } else { since_saturday };
    step(hours) - step(hours - 48.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHAPE: DailyShape = DailyShape { amplitude: 0.3, second: 0.2, peak_hour: 15.0, weekend: 0.8 };

    fn at(text: &str) -> LocalTime {
        LocalTime(crate::time::SimTime::parse(text).unwrap().0)
    }

    #[test]
    fn the_day_peaks_at_its_hour_and_the_weekend_is_lower() {
        assert!((SHAPE.at(at("2026-01-06T15:00:00Z")) - 1.36).abs() < 1e-12);
        let saturday = SHAPE.at(at("2026-01-10T15:00:00Z")) / 1.36;
        assert!((saturday - 0.8).abs() < 1e-12, "{saturday}");
    }

    #[test]
    fn there_is_no_seam_at_midnight() {
        for day in ["2026-01-10T00:00:00Z", "2026-01-12T00:00:00Z", "2026-01-07T00:00:00Z"] {
            let before = SHAPE.at(LocalTime(at(day).0 - 1));
            let after = SHAPE.at(at(day));
            assert!((before - after).abs() < 1e-6, "{day}: {before} {after}");
        }
    }

    #[test]
    fn the_integral_over_a_day_is_its_mean() {
        let last = SHAPE.since_midnight(LocalTime(at("2026-01-06T00:00:00Z").0 - 1));
        assert!((last - 1.0).abs() < 1e-6, "{last}");
        let noon = at("2026-01-06T12:00:00Z");
        let slope = (SHAPE.since_midnight(LocalTime(noon.0 + 60_000)) - SHAPE.since_midnight(noon)) * 1_440.0;
        assert!((slope - SHAPE.daily(noon)).abs() < 1e-3, "{slope}");
    }
}
